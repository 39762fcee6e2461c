/** The transport of a page that reaches the server by itself: JupyterLab's connection and login. */

import { ServerConnection } from '@jupyterlab/services';

import type { Problem } from '../ui/api';
import { isObject, problem, text } from '../ui/guards';
import {
  RequestFailed,
  type LiveConnection,
  type LiveListener,
  type Method,
  type Transport
} from '../ui/transport';
import { upload } from './upload';

export const API = 'orkee/api/';

const OPEN = 1;

/** What a page says where no answer came. */
export const UNREACHABLE: Problem = {
  code: 'server_unreachable',
  detail: 'The notebook server did not answer.',
  remedy: 'See whether it still runs, and try again.'
};

export class LabTransport implements Transport {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  async request(method: Method, path: string, body?: unknown): Promise<unknown> {
    const init: RequestInit = { method };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { 'Content-Type': 'application/json' };
    }
    const response = await this.fetch(path, init);
    return response.status === 204 ? {} : json(response);
  }

  async read(path: string, limit: number): Promise<Uint8Array> {
    const response = await this.fetch(path, { method: 'GET' });
    const size = Number(response.headers.get('Content-Length') ?? 0);
    if (size > limit) {
      await response.body?.cancel();
      throw tooLarge(limit);
    }
    return response.body === null ? new Uint8Array() : take(response.body, limit);
  }

  async write(path: string, data: Blob, progress?: (sent: number) => void): Promise<unknown> {
    const answer = await upload(this.url(path), data, this.settings, progress);
    if (answer === null) {
      throw new RequestFailed(UNREACHABLE);
    }
    if (answer.status >= 400) {
      throw new RequestFailed(refusal(answer.status, parsed(answer.body)));
    }
    return parsed(answer.body);
  }

  connect(listener: LiveListener): LiveConnection {
    const { wsUrl, token, appendToken } = this.settings;
    const query = appendToken && token ? `?token=${encodeURIComponent(token)}` : '';
    const socket = new this.settings.WebSocket(`${wsUrl}${API}live${query}`);
    let isClosed = false;
    const close = (): boolean => {
      const was = isClosed;
      isClosed = true;
      return !was;
    };
    socket.onmessage = ({ data }: MessageEvent) => {
      if (!isClosed && typeof data === 'string') {
        listener.message(parsed(data));
      }
    };
    socket.onclose = () => {
      if (close()) {
        listener.closed(null);
      }
    };
    return {
      send: (message) => {
        if (socket.readyState === OPEN) {
          socket.send(JSON.stringify(message));
        }
      },
      close: () => {
        close();
        socket.close();
      }
    };
  }

  private url(path: string): string {
    return `${this.settings.baseUrl}${API}${path}`;
  }

  private async fetch(path: string, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      // JupyterLab adds a parameter of its own to what is not to be stored, which the
      // server would refuse; `no-cache` asks it anew each time as well.
      const asked: RequestInit = { cache: 'no-cache', ...init };
      response = await ServerConnection.makeRequest(this.url(path), asked, this.settings);
    } catch {
      throw new RequestFailed(UNREACHABLE);
    }
    if (!response.ok) {
      throw new RequestFailed(refusal(response.status, parsed(await response.text())));
    }
    return response;
  }
}

/** Reads the reason of an answer that is an error, whoever in the server gave it. */
export function refusal(status: number, body: unknown): Problem {
  if (isObject(body) && text(body['code']) !== null) {
    return problem(body);
  }
  if (status === 401 || status === 403) {
    return {
      code: status === 401 ? 'unauthenticated' : 'forbidden',
      detail: 'The notebook server no longer accepts the login of this page.',
      remedy: 'Load the page anew and log in.'
    };
  }
  if (status === 404) {
    return {
      code: 'internal',
      detail: 'The notebook server does not have the extension orkee_jupyter, or an older one.',
      remedy: 'See `jupyter server extension list`, and start the server anew.'
    };
  }
  return {
    code: 'internal',
    detail: `The notebook server answered ${status}.`,
    remedy: 'Its log says why.'
  };
}

async function json(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    throw new RequestFailed(problem(null));
  }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

async function take(body: ReadableStream<Uint8Array>, limit: number): Promise<Uint8Array> {
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new RequestFailed(UNREACHABLE); // it broke off: what came is not the whole
    });
    if (done) {
      break;
    }
    size += value.length;
    if (size > limit) {
      await reader.cancel();
      throw tooLarge(limit);
    }
    chunks.push(value);
  }
  const all = new Uint8Array(size);
  chunks.reduce((offset, chunk) => (all.set(chunk, offset), offset + chunk.length), 0);
  return all;
}

function tooLarge(limit: number): RequestFailed {
  return new RequestFailed({
    code: 'file_too_large',
    detail: `It has more than ${limit} bytes.`,
    remedy: 'Download it instead.'
  });
}
