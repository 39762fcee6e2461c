/** A file on its way through the kernel: a few pieces at a time, more as they are taken. */

import { toBase64 } from './bytes';

/** Bytes of a piece of a file, and how many of them may be on their way. */
const PIECE = 256 * 1024;
const WINDOW = 2 * PIECE;

export type SendPart = (content: Record<string, unknown>) => void;

export class Upload {
  private sent = 0;
  private taken = 0;
  private part = 0;
  private isSending = false;
  private isOver = false;

  constructor(
    private readonly path: string,
    private readonly data: Blob,
    private readonly send: SendPart,
    private readonly broken: () => void
  ) {}

  /** Sends what may be sent now. */
  start(): void {
    void this.fill();
  }

  /** The server has so many bytes. */
  took(bytes: number): void {
    this.taken = Math.max(this.taken, bytes);
    void this.fill();
  }

  /** Sends no more. */
  stop(): void {
    this.isOver = true;
  }

  private async fill(): Promise<void> {
    if (this.isSending) {
      return;
    }
    this.isSending = true;
    try {
      while (!this.isOver && this.sent - this.taken < WINDOW) {
        const end = Math.min(this.sent + PIECE, this.data.size);
        const bytes = new Uint8Array(await this.data.slice(this.sent, end).arrayBuffer());
        if (this.isOver) {
          return;
        }
        this.isOver = end === this.data.size;
        this.sent = end;
        const data = toBase64(bytes);
        this.send({ path: this.path, part: this.part++, data, last: this.isOver });
      }
    } catch {
      this.isOver = true;
      this.broken(); // the file was taken away under the page
    } finally {
      this.isSending = false;
    }
  }
}
