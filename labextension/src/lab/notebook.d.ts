/**
 * The few things of JupyterLab's notebook package that we use: its typings would bring 170
 * packages with them. JupyterLab itself has it, so that nothing of it is bundled either.
 */
declare module '@jupyterlab/notebook' {
  import type { Token } from '@lumino/coreutils';
  import type { Widget } from '@lumino/widgets';

  export interface Notebook extends Widget {
    readonly activeCell: {
      readonly model: { readonly sharedModel: { setSource(source: string): void } };
    } | null;
  }

  export interface INotebookTracker {
    readonly currentWidget: (Widget & { readonly content: Notebook }) | null;
  }

  export const INotebookTracker: Token<INotebookTracker>;

  export namespace NotebookActions {
    function insertBelow(notebook: Notebook): void;
    function changeCellType(notebook: Notebook, type: 'code' | 'markdown' | 'raw'): void;
  }
}
