import type { ComponentChildren } from 'preact';

/** What is under way, beside a wheel that turns. */
export function Progress({ children }: { children: ComponentChildren }) {
  return (
    <p class="orkee-creating" role="status">
      <span class="orkee-spinner" aria-hidden="true" />
      <span>{children}</span>
    </p>
  );
}
