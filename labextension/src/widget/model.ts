/** What anywidget hands to a widget: as little of it as is used here. */
export interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown): void;
  on(name: string, callback: (...values: unknown[]) => void): void;
  off(name: string, callback: (...values: unknown[]) => void): void;
  readonly widget_manager?: unknown;
}

/**
 * What the kernel does just now, where the place tells: JupyterLab and Notebook do, others don't.
 */
export function kernelStatus(model: Model): string | null {
  const kernel = member(model.widget_manager, 'kernel');
  const status = member(kernel, 'status');
  return typeof status === 'string' ? status : null;
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
