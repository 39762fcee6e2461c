/** Arrow keys, Home and End, the same in all lists. */

/** The keys that go forward, and back. */
export const UP_DOWN = ['ArrowDown', 'ArrowUp'] as const;
export const LEFT_RIGHT = ['ArrowRight', 'ArrowLeft'] as const;

/**
 * Puts the focus on the element that a key leads to, around the ends, and returns its index; null
 * for another key, or where the focus is on none of them.
 */
export function step(
  event: KeyboardEvent,
  all: readonly HTMLElement[],
  keys: readonly string[] = UP_DOWN
): number | null {
  const at = all.indexOf(event.target as HTMLElement);
  const ways = [...keys, 'Home', 'End'];
  const way = ways.indexOf(event.key);
  if (way < 0 || at < 0) {
    return null;
  }
  const last = ways.length - 1;
  const to = way === last ? -1 : way === last - 1 ? 0 : at + (way % 2 === 0 ? 1 : -1);
  const index = (to + all.length) % all.length;
  all[index]?.focus();
  event.preventDefault();
  return index;
}

/** The elements below the one that listens for a key. */
export function below(event: Event, selector: string): HTMLElement[] {
  return [...(event.currentTarget as Element).querySelectorAll<HTMLElement>(selector)];
}
