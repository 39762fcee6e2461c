/** Names of files: as text that shows what is in them, and as paths of the workspace. */

const UNSEEN =
  /[\0-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;
const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Returns a name with what cannot be seen, or turns the text round, as escapes. */
export function visible(name: string): string {
  return name.replace(UNSEEN, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const number = code.toString(16);
    return (
      SHORT[character] ?? (code < 0x100 ? `\\x${number.padStart(2, '0')}` : `\\u{${number}}`)
    );
  });
}

/** Returns the path of a name in a folder; the workspace itself is ''. */
export function join(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Whether something can have this name. */
export function isName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name);
}

/** Returns what a request for a path of a sandbox is sent to; `verb` is `/content` or the like. */
export function address(id: string, path: string, verb = '', more = ''): string {
  const query = encodeURIComponent(path === '' ? '.' : path);
  return `sandbox/${encodeURIComponent(id)}/files${verb}?path=${query}${more}`;
}
