/** Code for cells and shells that uses a sandbox. */

import type { Sandbox } from './api';

/** Names hold a-z, 0-9, '.', '_' and '-' only; anything else is not put into code. */
function reference(sandbox: Sandbox): string {
  const name = sandbox.name ?? '';
  return /^[a-z0-9][a-z0-9._-]{0,62}$/.test(name) ? name : sandbox.short_id;
}

/** A cell that runs a command in it. */
export function magic(sandbox: Sandbox): string {
  return `%sandbox exec ${reference(sandbox)} -- ls -la`;
}

/** A cell that has it as a Python object. */
export function python(sandbox: Sandbox): string {
  const found = `sb = Sandbox.get("${reference(sandbox)}")`;
  return `from orkee_jupyter import Sandbox\n\n${found}\nsb`;
}

/** A cell that opens a shell of it. */
export function shell(sandbox: Sandbox): string {
  return `%sandbox shell ${reference(sandbox)}`;
}
