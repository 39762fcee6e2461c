/**
 * What the server says, as types: the objects of `server/openapi.yml` and the
 * messages of the live websocket. Whoever receives JSON passes it through
 * `guards.ts` first; from there on it has these shapes.
 */

export type Status = 'creating' | 'active' | 'paused' | 'terminated' | 'failed';

export interface PortMapping {
  /** Inside the sandbox. */
  port: number;
  /** On the loopback of the server's machine. */
  host_port: number;
  /** Where a program on the server's machine reaches it. */
  url: string;
  /** Whether a program in the sandbox listens on it. */
  listening: boolean;
  /** The path below the server's origin where a logged-in browser reaches it. */
  proxy: string;
}

/** What went wrong, and what to do: a problem object (RFC 9457). */
export interface Problem {
  code: string;
  detail: string;
  remedy: string;
  /** Which member of the request it is about, where it is about one: `name`, `limits.memory`. */
  field?: string;
  /** Last lines of a log, where there are any. */
  lines?: string[];
}

export interface Limits {
  /** Bytes. */
  memory: number | null;
  cpus: number | null;
  pids: number | null;
}

export interface Stats {
  /** Seconds since 1970, by the server's clock. */
  time: number;
  /** Of one processor. */
  cpu_percent: number;
  memory_bytes: number;
  memory_peak_bytes: number;
  processes: number;
  network_received_bytes: number;
  network_sent_bytes: number;
  disk_bytes: number | null;
}

export interface Sandbox {
  id: string;
  short_id: string;
  name: string | null;
  status: Status;
  reason: string | null;
  /** What a creation or a stop is doing. */
  step: string | null;
  problem: Problem | null;
  /** Seconds since 1970 at which it will be stopped; null: no stop was asked for. */
  stop_at: number | null;
  exit_code: number | null;
  template: string;
  image: string;
  project_id: string | null;
  ports: number[];
  port_map: PortMapping[];
  working_directory: string;
  command: string[] | null;
  /** Names only. */
  env: string[];
  labels: Record<string, string>;
  /** Seconds that each activity renews. */
  ttl: number;
  timeout: number | null;
  limits: Limits;
  link: string | null;
  stats: Stats | null;
  /** Seconds since 1970. */
  created_at: number;
  last_active_at: number;
  expires_at: number;
}

export interface Template {
  name: string;
  image: string;
  description: string;
  ports: number[];
  command: string[] | null;
  ttl: number;
  limits: Limits;
  source: string;
}

export interface CreateRequest {
  template: string;
  name?: string;
  image?: string;
  ports?: (number | string)[];
  env?: Record<string, string>;
  ttl?: string;
  command?: string[];
  limits?: { memory?: string; cpus?: number; pids?: number };
  project_folder?: string;
}

export interface FileEntry {
  /** Relative to the folder that was listed. */
  path: string;
  type: 'file' | 'directory' | 'symlink' | 'other';
  size: number;
  mtime: number;
  target: string | null;
}

export interface SandboxEvent {
  time: number;
  event: string;
  text: string;
}

/**
 * A piece of a log: not a line. It has `base64` instead of `text` where its bytes are not
 * valid UTF-8 (a character may begin in one piece and end in the next). Of `dropped`, bytes
 * are missing at this place.
 */
export type LogEntry =
  | { seq: number; time: number; stream: 'stdout' | 'stderr'; text: string }
  | { seq: number; time: number; stream: 'stdout' | 'stderr'; base64: string }
  | { seq: number; stream: 'dropped'; bytes: number };

/** Set-up of an engine that the server does just now, or how it failed. */
export type EngineSetup =
  | { running: true; step: string; began: number }
  | { running: false; problem: Problem };

/** The engine's status; what is in it beside `setup` differs from kind to kind. */
export interface Engine {
  setup: EngineSetup | null;
  [member: string]: unknown;
}

export interface ServerSettings {
  default_ttl: number;
  max_sandboxes: number;
}

/** What the server says on the live websocket. */
export type LiveMessage =
  | {
      type: 'hello';
      version: string;
      time: number;
      settings: ServerSettings;
      sandboxes: Sandbox[];
    }
  | { type: 'sandboxes'; sandboxes: Sandbox[] }
  | { type: 'stats'; stats: Record<string, Stats> }
  | { type: 'engine'; engine: Engine }
  | { type: 'log'; id: number; entries: LogEntry[] }
  | { type: 'log_end'; id: number; end: string }
  | { type: 'problem'; id: number | null; problem: Problem }
  | { type: 'tick' };

/** What a client says on the live websocket. */
export type LiveRequest =
  | { type: 'watch'; stats: boolean }
  | {
      type: 'logs';
      id: number;
      ref: string;
      tail: number | null;
      after: number | null;
      follow: boolean;
    }
  | { type: 'ack'; id: number }
  | { type: 'close'; id: number };
