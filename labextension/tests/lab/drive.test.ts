// @vitest-environment happy-dom
import { beforeEach, describe, expect, it } from 'vitest';
import { ServerConnection, type Contents } from '@jupyterlab/services';

import { SandboxDrive } from '../../src/lab/drive';
import { Workspace } from './workspace';

const settings = ServerConnection.makeSettings({ baseUrl: 'http://localhost:8888/' });

let workspace: Workspace;
let drive: SandboxDrive;
let changes: Contents.IChangedArgs[];

beforeEach(() => {
  workspace = new Workspace();
  workspace.files.set('a.txt', { data: 'text', mtime: 5 });
  workspace.files.set('src', null);
  workspace.files.set('src/main.py', { data: 'print()', mtime: 6 });
  drive = new SandboxDrive(workspace, settings);
  changes = [];
  drive.fileChanged.connect((_, change) => changes.push(change));
});

const rejected = async (work: Promise<unknown>): Promise<ServerConnection.ResponseError> => {
  const error: unknown = await work.then(
    () => null,
    (reason: unknown) => reason
  );
  expect(error).toBeInstanceOf(ServerConnection.ResponseError);
  return error as ServerConnection.ResponseError;
};
const names = (model: Contents.IModel) =>
  (model.content as Contents.IModel[]).map(({ path, type }) => [path, type]);

describe('reading', () => {
  it('gives the text of a file, and when it was changed', async () => {
    const model = await drive.get('ab/a.txt', { type: 'file', format: 'text' });
    expect(model).toMatchObject({ content: 'text', format: 'text', path: 'ab/a.txt', size: 4 });
    expect(model.last_modified).toBe('1970-01-01T00:00:05.000Z');
  });

  it('gives only what is about a file where its content is not asked for', async () => {
    workspace.read = () => Promise.reject(new Error('read'));
    expect(await drive.get('ab/a.txt', { content: false })).toMatchObject({ content: null });
  });

  it('lists a folder with paths of the drive', async () => {
    expect(names(await drive.get('ab/src'))).toEqual([['ab/src/main.py', 'file']]);
    expect(names(await drive.get('ab'))).toEqual([
      ['ab/a.txt', 'file'],
      ['ab/src', 'directory']
    ]);
  });

  it('lists the active sandboxes as folders, and leaves out what cannot be one', async () => {
    expect(names(await drive.get(''))).toEqual([['ab', 'directory']]);
  });

  it('gives bytes that are no text as base64, and refuses them as text', async () => {
    workspace.files.set('b.bin', { data: '\xff\xfe', mtime: 1 });
    expect(await drive.get('ab/b.bin')).toMatchObject({ format: 'base64', content: '//4=' });
    const error = await rejected(drive.get('ab/b.bin', { format: 'text' }));
    expect(error.message).toContain('is not text');
  });

  it('gives a notebook as JSON, but as text where that is asked for', async () => {
    workspace.files.set('n.ipynb', { data: '{"cells":[]}', mtime: 1 });
    const content = { cells: [] };
    expect(await drive.get('ab/n.ipynb')).toMatchObject({ type: 'notebook', content });
    const asText = await drive.get('ab/n.ipynb', { type: 'file', format: 'text' });
    expect(asText).toMatchObject({ type: 'file', content: '{"cells":[]}' });
  });

  it('answers 404 with cause and remedy for a file that is not there', async () => {
    const error = await rejected(drive.get('ab/none.txt'));
    expect(error.response.status).toBe(404);
    expect(error.message).toBe("There is no 'none.txt' in the sandbox. List what there is.");
  });
});

describe('saving', () => {
  it('writes text as it is, and tells what it has become', async () => {
    const model = await drive.save('ab/a.txt', { type: 'file', format: 'text', content: 'new\n' });
    expect(workspace.files.get('a.txt')?.data).toBe('new\n');
    expect(model.last_modified).toBe('1970-01-01T00:16:40.000Z');
    expect(changes.map((each) => each.type)).toEqual(['save']);
  });

  it('writes base64 as bytes and a notebook as JSON', async () => {
    await drive.save('ab/b', { type: 'file', format: 'base64', content: '//4=' });
    await drive.save('ab/n.ipynb', { type: 'notebook', format: 'json', content: { cells: [] } });
    expect(workspace.files.get('b')?.data).toBe('\xff\xfe');
    expect(JSON.parse(workspace.files.get('n.ipynb')?.data ?? '')).toEqual({ cells: [] });
  });

  it('puts a file together that comes in pieces, and writes it once', async () => {
    const piece = (content: string, chunk: number) =>
      drive.save('ab/big', { type: 'file', format: 'text', content, chunk });
    await piece('one', 1);
    expect(workspace.files.has('big')).toBe(false);
    await piece('two', 2);
    await piece('three', -1);
    expect(workspace.files.get('big')?.data).toBe('onetwothree');
  });

  it('makes a folder', async () => {
    expect(await drive.save('ab/new', { type: 'directory' })).toMatchObject({ type: 'directory' });
    expect(workspace.files.get('new')).toBe(null);
  });
});

describe('changing names', () => {
  it('finds a free name for a new file', async () => {
    const created = [await drive.newUntitled({ path: 'ab' }), await drive.newUntitled({ path: 'ab' })];
    expect(created.map((each) => each.path)).toEqual(['ab/untitled.txt', 'ab/untitled1.txt']);
  });

  it('moves within a sandbox, and refuses another one', async () => {
    expect(await drive.rename('ab/a.txt', 'ab/src/c.txt')).toMatchObject({ path: 'ab/src/c.txt' });
    expect(workspace.files.has('a.txt')).toBe(false);
    await rejected(drive.rename('ab/src/c.txt', 'cd/c.txt'));
    expect(workspace.files.has('src/c.txt')).toBe(true);
  });

  it('removes, and tells so', async () => {
    await drive.delete('ab/a.txt');
    expect(workspace.files.has('a.txt')).toBe(false);
    expect(changes.at(-1)).toMatchObject({ type: 'delete', oldValue: { path: 'ab/a.txt' } });
  });

  it('copies beside what is there', async () => {
    expect(await drive.copy('ab/a.txt', 'ab')).toMatchObject({ path: 'ab/a-Copy1.txt' });
    expect(workspace.files.get('a-Copy1.txt')?.data).toBe('text');
  });

  it('never touches the drive itself', async () => {
    await rejected(drive.delete(''));
  });
});

it('keeps no checkpoints, and says so in the way JupyterLab expects', async () => {
  expect(await drive.listCheckpoints()).toEqual([]);
  await expect(drive.restoreCheckpoint()).resolves.toBeUndefined();
});
