/** An upload that tells how far it is, which `fetch` cannot. */

import type { ServerConnection } from '@jupyterlab/services';

export interface Answer {
  status: number;
  body: string;
}

/** Sends bytes as a PUT; resolves with null where no answer came. */
export function upload(
  url: string,
  data: Blob,
  settings: ServerConnection.ISettings,
  progress?: (sent: number) => void
): Promise<Answer | null> {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open('PUT', url);
    request.withCredentials = settings.init.credentials === 'include';
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    if (settings.token) {
      request.setRequestHeader('Authorization', `token ${settings.token}`);
    }
    const xsrf = cookie('_xsrf');
    if (xsrf !== null) {
      request.setRequestHeader('X-XSRFToken', xsrf);
    }
    if (progress !== undefined) {
      request.upload.onprogress = ({ loaded }) => progress(Math.min(loaded, data.size));
    }
    request.onload = () => resolve({ status: request.status, body: request.responseText });
    request.onerror = () => resolve(null);
    request.onabort = () => resolve(null);
    request.send(data);
  });
}

/** Of two cookies of a name the server takes the last, whose path is the shortest. */
function cookie(name: string): string | null {
  const values = document.cookie
    .split(';')
    .map((each) => each.trim())
    .filter((each) => each.startsWith(`${name}=`));
  return values.at(-1)?.slice(name.length + 1) ?? null;
}
