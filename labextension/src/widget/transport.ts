/** The UI's way to the server through the notebook's kernel. */

import type { LiveRequest, Problem } from '../ui/api';
import { isObject, problem, text } from '../ui/guards';
import type { Translate } from '../ui/host';
import type { LiveConnection, LiveListener, Method, Transport } from '../ui/transport';
import { RequestFailed } from '../ui/transport';
import { fromBase64, join } from './bytes';
import { Link, type Item, type Waiting } from './link';
import type { Model } from './model';
import { Upload } from './upload';

interface Call {
  /** Takes what comes before the answer. */
  part(item: Item): void;
  resolve(body: unknown): void;
  reject(failure: RequestFailed): void;
  /** Whether the kernel can be asked for the same answer again. */
  repeats: boolean;
}

const ignore = (): void => undefined;

export class KernelTransport implements Transport {
  private readonly calls = new Map<number, Call>();
  private readonly lives = new Map<number, LiveListener>();
  private readonly link: Link;

  constructor(
    model: Model,
    private readonly t: Translate,
    private readonly tell: (waiting: Waiting) => void
  ) {
    this.link = new Link(model, {
      item: (item) => this.take(item),
      lost: () => this.recover(),
      waiting: (waiting) => this.wait(waiting)
    });
  }

  request(method: Method, path: string, body?: unknown): Promise<unknown> {
    const id = this.link.ask('request', { method, path, body: body ?? null });
    return this.answer(id, ignore, true);
  }

  async read(path: string, limit: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    const id = this.link.ask('read', { path, limit });
    await this.answer(
      id,
      (item) => {
        const piece = item.kind === 'chunk' ? fromBase64(text(item['data']) ?? '') : null;
        if (piece !== null) {
          pieces.push(piece);
        }
      },
      false
    );
    return join(pieces);
  }

  async write(path: string, data: Blob, progress?: (sent: number) => void): Promise<unknown> {
    const id = this.link.begin();
    const upload = new Upload(
      path,
      data,
      (part) => this.link.say('write', id, part),
      () => this.reject(id, this.unreadable())
    );
    const answer = this.answer(
      id,
      (item) => {
        const sent = item.kind === 'took' ? item['sent'] : null;
        if (typeof sent === 'number') {
          progress?.(sent);
          upload.took(sent);
        }
      },
      true
    );
    upload.start();
    try {
      return await answer;
    } finally {
      upload.stop();
    }
  }

  connect(listener: LiveListener): LiveConnection {
    const id = this.link.ask('live-open');
    this.lives.set(id, listener);
    return {
      send: (message: LiveRequest) =>
        this.link.say('live-send', id, { data: JSON.stringify(message) }),
      close: () => {
        if (this.lives.delete(id)) {
          this.link.expectTicks(false);
          this.link.forget(id);
          this.link.say('live-close', id);
        }
      }
    };
  }

  /** Tells the kernel that this view is gone; nothing is answered any more. */
  dispose(): void {
    this.lives.clear();
    this.calls.clear();
    this.link.close();
  }

  private answer(id: number, part: (item: Item) => void, repeats: boolean): Promise<unknown> {
    return new Promise((resolve, reject) => this.calls.set(id, { part, resolve, reject, repeats }));
  }

  private take(item: Item): void {
    if (item.kind === 'live' || item.kind === 'live-closed') {
      this.takeLive(item);
      return;
    }
    const call = this.calls.get(item.id);
    if (call === undefined) {
      return;
    }
    if (isObject(item['problem'])) {
      this.reject(item.id, problem(item['problem']));
    } else if (item.kind === 'answer' || item.kind === 'end') {
      this.calls.delete(item.id);
      call.resolve(item['body']);
    } else {
      call.part(item);
    }
  }

  private takeLive(item: Item): void {
    const listener = this.lives.get(item.id);
    if (listener === undefined) {
      return; // it was closed just now
    }
    if (item.kind === 'live-closed') {
      this.lives.delete(item.id);
      this.link.expectTicks(false);
      listener.closed(isObject(item['problem']) ? problem(item['problem']) : null);
      return;
    }
    let value: unknown;
    try {
      value = JSON.parse(text(item['data']) ?? '');
    } catch {
      return;
    }
    this.link.expectTicks(true);
    listener.message(value);
  }

  /** A message was lost: what was pushed has to be told anew, and answers given again. */
  private recover(): void {
    const again = [...this.calls].filter(([, call]) => call.repeats).map(([id]) => id);
    if (again.length > 0) {
      this.link.say('again', 0, { ids: again });
    }
    for (const [id, call] of [...this.calls]) {
      if (!call.repeats) {
        this.link.say('cancel', id);
        this.reject(id, {
          code: 'server_unreachable',
          detail: this.t("A part of the file was lost on its way from the notebook's kernel."),
          remedy: this.t('Try again.')
        });
      }
    }
    this.closeLives(null);
  }

  private wait(waiting: Waiting): void {
    this.tell(waiting);
    if (waiting === 'gone') {
      const gone = {
        code: 'server_unreachable',
        detail: this.t("The notebook's kernel does not answer."),
        remedy: this.t('If it was restarted, run this cell again.')
      };
      [...this.calls.keys()].forEach((id) => this.reject(id, gone));
      this.closeLives(gone);
    }
  }

  private closeLives(why: Problem | null): void {
    for (const [id, listener] of [...this.lives]) {
      this.lives.delete(id);
      this.link.expectTicks(false);
      this.link.forget(id);
      this.link.say('live-close', id);
      listener.closed(why);
    }
  }

  private reject(id: number, why: Problem): void {
    const call = this.calls.get(id);
    this.calls.delete(id);
    this.link.forget(id);
    call?.reject(new RequestFailed(why));
  }

  private unreadable(): Problem {
    return {
      code: 'file_not_found',
      detail: this.t('The file can no longer be read.'),
      remedy: this.t('Choose it again.')
    };
  }
}
