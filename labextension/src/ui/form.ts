/** From what is typed into the form to a request, and back. */

import type { CreateRequest, Problem } from './api';
import type { Translate } from './host';

/** The fields of the form, as text. */
export interface Fields {
  name: string;
  image: string;
  ports: string;
  env: string;
  ttl: string;
  command: string;
  memory: string;
  cpus: string;
  pids: string;
  project_folder: string;
}

export const EMPTY: Fields = {
  name: '',
  image: '',
  ports: '',
  env: '',
  ttl: '',
  command: '',
  memory: '',
  cpus: '',
  pids: '',
  project_folder: ''
};

export function fieldsOf(request: Partial<CreateRequest>): Fields {
  const { limits } = request;
  const command = request.command ?? [];
  const isShell = command.length === 3 && command[0] === 'sh' && command[1] === '-c';
  return {
    name: request.name ?? '',
    image: request.image ?? '',
    ports: (request.ports ?? []).join(', '),
    env: Object.entries(request.env ?? {})
      .map(([name, value]) => `${name}=${value}`)
      .join('\n'),
    ttl: request.ttl ?? '',
    command: isShell ? (command[2] ?? '') : command.map(quoted).join(' '),
    memory: limits?.memory ?? '',
    cpus: limits?.cpus === undefined ? '' : String(limits.cpus),
    pids: limits?.pids === undefined ? '' : String(limits.pids),
    project_folder: request.project_folder ?? ''
  };
}

/** Returns the request, or the problem of the field that cannot be read. */
export function requestOf(
  template: string,
  fields: Fields,
  t: Translate
): CreateRequest | Problem {
  const env: Record<string, string> = {};
  for (const line of fields.env.split('\n').filter((each) => each.trim() !== '')) {
    const at = line.indexOf('=');
    if (at < 1) {
      return {
        code: 'invalid_request',
        detail: t('A line of the environment is no pair.'),
        remedy: t('Write NAME=value on each line.'),
        field: 'env'
      };
    }
    env[line.slice(0, at).trim()] = line.slice(at + 1);
  }
  const text = (key: keyof Fields) => fields[key].trim();
  const ports = fields.ports.split(/[\s,]+/).filter(Boolean);
  const limits = {
    ...(text('memory') && { memory: text('memory') }),
    ...(text('cpus') && { cpus: number(text('cpus')) }),
    ...(text('pids') && { pids: number(text('pids')) })
  };
  return {
    template,
    ...(text('name') && { name: text('name') }),
    ...(text('image') && { image: text('image') }),
    ...(ports.length > 0 && { ports: ports.map(number) }),
    ...(Object.keys(env).length > 0 && { env }),
    ...(text('ttl') && { ttl: text('ttl') }),
    ...(text('command') && { command: ['sh', '-c', text('command')] }),
    ...(Object.keys(limits).length > 0 && { limits }),
    ...(text('project_folder') && { project_folder: text('project_folder') })
  } as CreateRequest;
}

export function isProblem(value: CreateRequest | Problem): value is Problem {
  return 'code' in value;
}

/** The field of the form that a problem is about; null for none of them. */
export function fieldOf(problem: Problem): keyof Fields | null {
  const named = (problem.field ?? '').replace(/^limits\./, '').split(/[.[]/)[0] ?? '';
  if (named in EMPTY) {
    return named as keyof Fields;
  }
  const byCode: Record<string, keyof Fields> = {
    name_taken: 'name',
    port_taken: 'ports',
    invalid_port: 'ports',
    invalid_ttl: 'ttl',
    unknown_image: 'image'
  };
  return byCode[problem.code] ?? null;
}

/** A number where it is one: the server says what is wrong with the rest. */
function number(text: string): number | string {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
