/** Times and sizes for people, short enough for a narrow panel; no line breaks before a unit. */

import type { Translate } from '../host';

/** A span of time in its largest unit: `5 s`, `3 min`, `2 h`, `4 d`. */
export function span(seconds: number, t: Translate): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) {
    return t('%1\u00a0s', whole);
  }
  if (whole < 3600) {
    return t('%1\u00a0min', Math.floor(whole / 60));
  }
  return whole < 48 * 3600
    ? t('%1\u00a0h', Math.floor(whole / 3600))
    : t('%1\u00a0d', Math.floor(whole / 86400));
}

/** A duration in full, as it was set: `1 h 30 min`. */
export function duration(seconds: number, t: Translate): string {
  const parts: [number, string][] = [
    [Math.floor(seconds / 86400), t('d')],
    [Math.floor((seconds % 86400) / 3600), t('h')],
    [Math.floor((seconds % 3600) / 60), t('min')],
    [Math.floor(seconds % 60), t('s')]
  ];
  const told = parts.filter(([number]) => number > 0).map(([number, unit]) => `${number}\u00a0${unit}`);
  return told.join(' ') || t('%1\u00a0s', 0);
}

/** Bytes in the unit that fits, as the command line shows them: `34 MiB`. */
export function bytes(size: number): string {
  let number = Math.max(0, size);
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (number < 1024) {
      return `${digits(number)}\u00a0${unit}`;
    }
    number /= 1024;
  }
  return `${digits(number)}\u00a0TiB`;
}

export function percent(value: number): string {
  return `${digits(value)}\u00a0%`;
}

/** The time of day, or of another day its date too. Seconds since 1970. */
export function clockTime(seconds: number): string {
  const time = new Date(seconds * 1000);
  const isToday = time.toDateString() === new Date().toDateString();
  return isToday ? time.toLocaleTimeString() : time.toLocaleString();
}

function digits(number: number): string {
  return String(number < 9.95 ? Number(number.toFixed(1)) : Math.round(number));
}
