/**
 * Checks of what the server sends. They are deliberately lenient about members
 * that are missing (an older or newer server) and strict about types: text is
 * text, a number is a number, and what does not fit is left out, not shown.
 */

import type {
  Engine,
  EngineSetup,
  Limits,
  LiveMessage,
  LogEntry,
  PortMapping,
  Problem,
  Sandbox,
  SandboxEvent,
  ServerSettings,
  Stats,
  Status,
  Template
} from './api';

export type Json = Record<string, unknown>;

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

export function finite(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** Reads a problem object, whatever it is. */
export function problem(value: unknown): Problem {
  const object = isObject(value) ? value : {};
  const details = isObject(object['details']) ? object['details'] : {};
  const lines = Array.isArray(object['lines']) ? object['lines'] : details['lines'];
  const field = text(details['field']) ?? text(object['field']);
  return {
    code: text(object['code']) ?? 'internal',
    detail: text(object['detail']) ?? 'The server gave an answer that cannot be read.',
    remedy: text(object['remedy']) ?? '',
    ...(field === null ? {} : { field }),
    ...(Array.isArray(lines) ? { lines: lines.filter((each) => typeof each === 'string') } : {})
  };
}

export const STATUSES: readonly Status[] = [
  'creating',
  'active',
  'paused',
  'terminated',
  'failed'
];

/** Reads a sandbox; null where its id or its state is not one. */
export function sandbox(value: unknown): Sandbox | null {
  if (!isObject(value)) {
    return null;
  }
  const id = text(value['id']);
  const status = STATUSES.find((each) => each === value['status']);
  if (!id || status === undefined) {
    return null;
  }
  return {
    id,
    short_id: text(value['short_id']) ?? id.slice(0, 12),
    name: text(value['name']),
    status,
    reason: text(value['reason']),
    step: text(value['step']),
    problem: isObject(value['problem']) ? problem(value['problem']) : null,
    stop_at: finite(value['stop_at']),
    exit_code: finite(value['exit_code']),
    template: text(value['template']) ?? '',
    image: text(value['image']) ?? '',
    project_id: text(value['project_id']),
    ports: list(value['ports'], finite),
    port_map: list(value['port_map'], portMapping),
    working_directory: text(value['working_directory']) ?? '',
    command: Array.isArray(value['command']) ? list(value['command'], text) : null,
    env: list(value['env'], text),
    labels: texts(value['labels']),
    ttl: finite(value['ttl']) ?? 0,
    timeout: finite(value['timeout']),
    limits: limits(value['limits']),
    link: text(value['link']),
    stats: stats(value['stats']),
    created_at: finite(value['created_at']) ?? 0,
    last_active_at: finite(value['last_active_at']) ?? 0,
    expires_at: finite(value['expires_at']) ?? 0
  };
}

/** Reads the `sandboxes` of an answer or a message. */
export function sandboxes(value: unknown): Sandbox[] {
  return list(value, sandbox);
}

export function stats(value: unknown): Stats | null {
  if (!isObject(value)) {
    return null;
  }
  const time = finite(value['time']);
  return time === null
    ? null
    : {
        time,
        cpu_percent: finite(value['cpu_percent']) ?? 0,
        memory_bytes: finite(value['memory_bytes']) ?? 0,
        memory_peak_bytes: finite(value['memory_peak_bytes']) ?? 0,
        processes: finite(value['processes']) ?? 0,
        network_received_bytes: finite(value['network_received_bytes']) ?? 0,
        network_sent_bytes: finite(value['network_sent_bytes']) ?? 0,
        disk_bytes: finite(value['disk_bytes'])
      };
}

export function template(value: unknown): Template | null {
  if (!isObject(value)) {
    return null;
  }
  const name = text(value['name']);
  return name === null
    ? null
    : {
        name,
        image: text(value['image']) ?? '',
        description: text(value['description']) ?? '',
        ports: list(value['ports'], finite),
        command: Array.isArray(value['command']) ? list(value['command'], text) : null,
        ttl: finite(value['ttl']) ?? 0,
        limits: limits(value['limits']),
        source: text(value['source']) ?? ''
      };
}

export function sandboxEvent(value: unknown): SandboxEvent | null {
  if (!isObject(value)) {
    return null;
  }
  const time = finite(value['time']);
  const event = text(value['event']);
  return time === null || event === null
    ? null
    : { time, event, text: text(value['text']) ?? event };
}

/** Reads the engine's status; null where it is none. */
export function engine(value: unknown): Engine | null {
  return isObject(value) ? { ...value, setup: engineSetup(value['setup']) } : null;
}

/**
 * Reads one value of the live websocket; null for what is not understood, so that a newer server
 * may say more. The bytes of a log entry that were no UTF-8 are read by `decode`.
 */
export function liveMessage(value: unknown, decode: Decode = replacing): LiveMessage | null {
  if (!isObject(value)) {
    return null;
  }
  const id = finite(value['id']);
  switch (value['type']) {
    case 'hello':
      return {
        type: 'hello',
        version: text(value['version']) ?? '',
        time: finite(value['time']) ?? Date.now() / 1000,
        settings: settings(value['settings']),
        sandboxes: sandboxes(value['sandboxes'])
      };
    case 'sandboxes':
      return { type: 'sandboxes', sandboxes: sandboxes(value['sandboxes']) };
    case 'stats':
      return { type: 'stats', stats: statsById(value['stats']) };
    case 'engine': {
      const status = engine(value['engine']);
      return status === null ? null : { type: 'engine', engine: status };
    }
    case 'log':
      return id === null
        ? null
        : { type: 'log', id, entries: list(value['entries'], (each) => logEntry(each, id, decode)) };
    case 'log_end':
      return id === null ? null : { type: 'log_end', id, end: text(value['end']) ?? '' };
    case 'problem':
      return { type: 'problem', id, problem: problem(value['problem']) };
    case 'tick':
      return { type: 'tick' };
    default:
      return null;
  }
}

/** Makes text of a log's bytes; which log and which of its streams they are of is said too. */
export type Decode = (bytes: Uint8Array, id: number, stream: 'stdout' | 'stderr') => string;

const replacing: Decode = (bytes) => new TextDecoder().decode(bytes);

function logEntry(value: unknown, id: number, decode: Decode): LogEntry | null {
  if (!isObject(value)) {
    return null;
  }
  const seq = finite(value['seq']);
  const stream = value['stream'];
  if (seq === null) {
    return null;
  }
  if (stream === 'dropped') {
    return { seq, stream, bytes: finite(value['bytes']) ?? 0 };
  }
  if (stream !== 'stdout' && stream !== 'stderr') {
    return null;
  }
  const time = finite(value['time']) ?? 0;
  const written = text(value['text']);
  if (written !== null) {
    return { seq, time, stream, text: written };
  }
  const bytes = base64(value['base64']);
  return bytes === null ? null : { seq, time, stream, text: decode(bytes, id, stream) };
}

function base64(value: unknown): Uint8Array | null {
  if (typeof value !== 'string') {
    return null;
  }
  try {
    return Uint8Array.from(atob(value), (each) => each.charCodeAt(0));
  } catch {
    return null;
  }
}

function portMapping(value: unknown): PortMapping | null {
  if (!isObject(value)) {
    return null;
  }
  const port = finite(value['port']);
  return port === null
    ? null
    : {
        port,
        host_port: finite(value['host_port']) ?? 0,
        url: text(value['url']) ?? '',
        listening: value['listening'] === true,
        proxy: text(value['proxy']) ?? ''
      };
}

function limits(value: unknown): Limits {
  const given = isObject(value) ? value : {};
  return {
    memory: finite(given['memory']),
    cpus: finite(given['cpus']),
    pids: finite(given['pids'])
  };
}

function settings(value: unknown): ServerSettings {
  const given = isObject(value) ? value : {};
  return {
    default_ttl: finite(given['default_ttl']) ?? 0,
    max_sandboxes: finite(given['max_sandboxes']) ?? 0
  };
}

function statsById(value: unknown): Record<string, Stats> {
  const read: Record<string, Stats> = {};
  for (const [id, each] of Object.entries(isObject(value) ? value : {})) {
    const sample = stats(each);
    if (sample !== null) {
      read[id] = sample;
    }
  }
  return read;
}

function engineSetup(value: unknown): EngineSetup | null {
  if (!isObject(value)) {
    return null;
  }
  return value['running'] === true
    ? { running: true, step: text(value['step']) ?? '', began: finite(value['began']) ?? 0 }
    : { running: false, problem: problem(value['problem']) };
}

function texts(value: unknown): Record<string, string> {
  const pairs = Object.entries(isObject(value) ? value : {});
  return Object.fromEntries(pairs.filter((pair): pair is [string, string] => text(pair[1]) !== null));
}

/** Reads each member of a list; what does not fit is left out. */
export function list<T>(value: unknown, read: (each: unknown) => T | null): T[] {
  return Array.isArray(value)
    ? value.map(read).filter((each) => each !== null)
    : [];
}
