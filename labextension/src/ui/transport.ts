/**
 * How the UI reaches the server. It knows two kinds: the page itself does it
 * (JupyterLab, `lab/transport.ts`), or the notebook's kernel (`widget.ts`).
 * Everything else in `ui/` knows this interface alone.
 */

import type { LiveRequest, Problem } from './api';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** What a failed request rejects with: one sentence of cause, one of remedy, a stable code. */
export class RequestFailed extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
    this.name = 'RequestFailed';
  }
}

export interface LiveConnection {
  send(message: LiveRequest): void;
  /** Closes it; `closed` of the listener is not called any more. */
  close(): void;
}

export interface LiveListener {
  /** One JSON value from the server, unchecked. */
  message(value: unknown): void;
  /** The connection could not be made or has ended; why, if that is known. */
  closed(problem: Problem | null): void;
}

export interface Transport {
  /**
   * Makes a request below `orkee/api/`; `path` begins without a slash and has its parts encoded.
   * Resolves with the answer's JSON, unchecked; rejects with RequestFailed.
   */
  request(method: Method, path: string, body?: unknown): Promise<unknown>;
  /**
   * Reads the bytes of a GET answer. Rejects with RequestFailed, also where there are more than
   * `limit` bytes (code `file_too_large`).
   */
  read(path: string, limit: number): Promise<Uint8Array>;
  /** Sends bytes as the body of a PUT; `progress` hears how many of them are on their way. */
  write(path: string, data: Blob, progress?: (sent: number) => void): Promise<unknown>;
  /** Opens the live websocket once; to try again is the caller's part (`live.ts`). */
  connect(listener: LiveListener): LiveConnection;
}
