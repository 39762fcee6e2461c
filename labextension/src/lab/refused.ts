/** Refusals as JupyterLab's documents understand them: by the status of a response. */

import { ServerConnection } from '@jupyterlab/services';

import { RequestFailed } from '../ui/transport';

const STATUS: Record<string, number> = {
  file_not_found: 404,
  sandbox_not_found: 404,
  file_exists: 409,
  file_forbidden: 403,
  file_too_large: 413,
  invalid_path: 400
};

/** Returns an error whose message is the cause and the remedy; a 404 lets a save make the file. */
export function asResponseError(error: unknown): unknown {
  if (!(error instanceof RequestFailed)) {
    return error;
  }
  const { code, detail, remedy } = error.problem;
  return refused(STATUS[code] ?? 500, `${detail} ${remedy}`.trim());
}

export function notPossible(cause: string, remedy: string): Error {
  return refused(400, `${cause} ${remedy}`);
}

function refused(status: number, message: string): Error {
  return new ServerConnection.ResponseError(new Response(null, { status }), message);
}
