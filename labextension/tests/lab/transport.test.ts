// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ServerConnection } from '@jupyterlab/services';

import { LabTransport, refusal } from '../../src/lab/transport';
import type { LiveRequest } from '../../src/ui/api';
import { RequestFailed } from '../../src/ui/transport';

const BASE = 'http://localhost:8888/user/a%40b/';

let answer: () => Response | Promise<Response>;
let asked: Request[];

class FakeSocket {
  static last: FakeSocket;
  readyState = 1;
  sent: string[] = [];
  closed = false;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;

  constructor(readonly url: string) {
    FakeSocket.last = this;
  }

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.closed = true;
    this.onclose?.();
  }
}

function transport(more: Partial<ServerConnection.ISettings> = {}): LabTransport {
  const fetch = (request: RequestInfo | URL): Promise<Response> => {
    asked.push(request as Request);
    return Promise.resolve().then(answer);
  };
  return new LabTransport(
    ServerConnection.makeSettings({
      baseUrl: BASE,
      token: 'secret',
      fetch,
      WebSocket: FakeSocket as unknown as typeof WebSocket,
      ...more
    })
  );
}

const failed = async (work: Promise<unknown>): Promise<RequestFailed> => {
  const error: unknown = await work.then(
    () => null,
    (reason: unknown) => reason
  );
  expect(error).toBeInstanceOf(RequestFailed);
  return error as RequestFailed;
};

beforeEach(() => {
  asked = [];
  answer = () => Response.json({ success: true });
});

describe('requests', () => {
  it('go below the base URL with the login, and no parameter that is not ours', async () => {
    await transport().request('POST', 'sandbox?x=1', { template: 'node' });
    expect(asked[0]?.url).toBe(`${BASE}orkee/api/sandbox?x=1`);
    expect(asked[0]?.headers.get('Authorization')).toBe('token secret');
    expect(await asked[0]?.json()).toEqual({ template: 'node' });
  });

  it('reject with the problem of the server', async () => {
    answer = () =>
      Response.json({ code: 'port_taken', detail: 'It is taken.', remedy: 'Use another.' }, { status: 409 });
    const { problem } = await failed(transport().request('POST', 'sandbox', {}));
    expect(problem).toEqual({ code: 'port_taken', detail: 'It is taken.', remedy: 'Use another.' });
  });

  it('reject with what to do where no answer came', async () => {
    answer = () => Promise.reject(new TypeError('network'));
    const { problem } = await failed(transport().request('GET', 'sandbox'));
    expect(problem.code).toBe('server_unreachable');
    expect(problem.remedy).not.toBe('');
  });

  it('reject where the answer is not JSON', async () => {
    answer = () => new Response('<html>');
    expect((await failed(transport().request('GET', 'sandbox'))).problem.code).toBe('internal');
  });
});

it.each([
  [401, 'unauthenticated'],
  [403, 'forbidden'],
  [404, 'internal'],
  [500, 'internal']
])('a refusal by Jupyter itself with %i is %s and says what to do', (status, code) => {
  const problem = refusal(status, { message: 'no' });
  expect(problem.code).toBe(code);
  expect(problem.remedy).not.toBe('');
});

describe('reading', () => {
  const stream = (...sizes: number[]): Response =>
    new Response(
      new ReadableStream({
        start(controller) {
          sizes.forEach((size) => controller.enqueue(new Uint8Array(size).fill(7)));
          controller.close();
        }
      })
    );

  it('puts the pieces together', async () => {
    answer = () => stream(3, 4);
    expect(await transport().read('x', 7)).toEqual(new Uint8Array(7).fill(7));
  });

  it('rejects what is larger than the limit', async () => {
    answer = () => stream(3, 5);
    expect((await failed(transport().read('x', 7))).problem.code).toBe('file_too_large');
  });

  it('rejects what is said to be larger before it has come', async () => {
    answer = () => new Response('12345678', { headers: { 'Content-Length': '8' } });
    expect((await failed(transport().read('x', 7))).problem.code).toBe('file_too_large');
  });
});

describe('the live connection', () => {
  const connected = (more?: Partial<ServerConnection.ISettings>) => {
    const heard: unknown[] = [];
    const closed = vi.fn();
    const connection = transport(more).connect({
      message: (value) => heard.push(value),
      closed
    });
    return { heard, closed, connection, socket: FakeSocket.last };
  };

  it('has the token in its address only where the page may not send a cookie', () => {
    const wsUrl = BASE.replace('http', 'ws');
    expect(connected({ wsUrl, appendToken: false }).socket.url).toBe(`${wsUrl}orkee/api/live`);
    expect(connected({ wsUrl, appendToken: true }).socket.url).toBe(
      `${wsUrl}orkee/api/live?token=secret`
    );
  });

  it('hands on JSON, and null for what is none', () => {
    const { heard, socket } = connected();
    socket.onmessage?.({ data: '{"type":"tick"}' });
    socket.onmessage?.({ data: '{' });
    expect(heard).toEqual([{ type: 'tick' }, null]);
  });

  it('says once that it was closed by the other end', () => {
    const { closed, socket } = connected();
    socket.onclose?.();
    socket.onclose?.();
    expect(closed).toHaveBeenCalledTimes(1);
  });

  it('says nothing any more after it was closed here', () => {
    const { closed, heard, connection, socket } = connected();
    connection.close();
    socket.onmessage?.({ data: '{}' });
    expect(socket.closed).toBe(true);
    expect([heard.length, closed.mock.calls.length]).toEqual([0, 0]);
  });

  it('sends only while it is open', () => {
    const { connection, socket } = connected();
    const message: LiveRequest = { type: 'watch', stats: true };
    connection.send(message);
    socket.readyState = 3;
    connection.send(message);
    expect(socket.sent).toEqual(['{"type":"watch","stats":true}']);
  });
});

describe('writing', () => {
  let requests: FakeUpload[] = [];

  class FakeUpload {
    upload: { onprogress?: (event: { loaded: number }) => void } = {};
    headers: Record<string, string> = {};
    status = 200;
    responseText = '{"received":{"files":1}}';
    onload?: () => void;
    onerror?: () => void;
    open = vi.fn();
    setRequestHeader(name: string, value: string): void {
      this.headers[name] = value;
    }
    send(): void {
      requests.push(this);
    }
  }

  beforeEach(() => {
    requests = [];
    vi.stubGlobal('XMLHttpRequest', FakeUpload);
  });
  afterEach(() => vi.unstubAllGlobals());

  it('puts the bytes with the login, and tells how many are on their way', async () => {
    const progress = vi.fn();
    const done = transport().write('sandbox/a/files/content?path=x', new Blob(['abc']), progress);
    const [request] = requests;
    expect(request?.open).toHaveBeenCalledWith(
      'PUT',
      `${BASE}orkee/api/sandbox/a/files/content?path=x`
    );
    expect(request?.headers['Authorization']).toBe('token secret');
    request?.upload.onprogress?.({ loaded: 2 });
    request?.onload?.();
    expect(await done).toEqual({ received: { files: 1 } });
    expect(progress).toHaveBeenCalledWith(2);
  });

  it('rejects with the problem of the server', async () => {
    const done = transport().write('x', new Blob(['abc']));
    Object.assign(requests[0] ?? {}, { status: 507, responseText: '{"code":"disk_full"}' });
    requests[0]?.onload?.();
    expect((await failed(done)).problem.code).toBe('disk_full');
  });

  it('rejects where it broke off', async () => {
    const done = transport().write('x', new Blob(['abc']));
    requests[0]?.onerror?.();
    expect((await failed(done)).problem.code).toBe('server_unreachable');
  });
});
