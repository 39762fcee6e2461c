/** A line as small as a word. */

const WIDTH = 48;
const HEIGHT = 14;

interface SparklineProps {
  /** Oldest first. */
  values: readonly number[];
  /** How many values fill the width. */
  room: number;
  /** What the upper edge stands for; the values' greatest where that is more. */
  top: number;
  /** What is said in its place. */
  label: string;
}

/** Draws values from the right edge to the left; one alone is a dot at the right. */
export function Sparkline({ values, room, top, label }: SparklineProps) {
  const greatest = Math.max(top, ...values, 1e-9);
  const step = WIDTH / (room - 1);
  const points = values.map((value, index) => {
    const x = WIDTH - (values.length - 1 - index) * step;
    const y = HEIGHT - 1 - (Math.max(0, value) / greatest) * (HEIGHT - 2);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  const first = points[0]?.split(',')[0] ?? '0';
  const last = points.at(-1)?.split(',')[0] ?? '0';
  return (
    <svg
      class="orkee-spark"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      {points.length > 1 && (
        <>
          <polygon points={`${first},${HEIGHT} ${points.join(' ')} ${last},${HEIGHT}`} />
          <polyline points={points.join(' ')} />
        </>
      )}
    </svg>
  );
}
