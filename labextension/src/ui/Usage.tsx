/** What a sandbox uses: a small line and the newest figure, drawn again with each sample. */

import type { Sandbox, Stats } from './api';
import { usePage } from './core';
import { bytes, percent } from './parts/format';
import { Sparkline } from './parts/Sparkline';
import { SAMPLES } from './state';
import { tracked } from './signals';

export const Usage = tracked(function Usage({ sandbox }: { sandbox: Sandbox }) {
  const { state, host } = usePage();
  const samples = state.samples(sandbox.id).value;
  const newest = samples.at(-1);
  if (newest === undefined) {
    return <span class="orkee-usage" />;
  }
  return (
    <span class="orkee-usage">
      <Line
        samples={samples}
        of={(each) => each.cpu_percent}
        top={100 * (sandbox.limits.cpus ?? 1)}
        label={host.t('CPU %1', percent(newest.cpu_percent))}
        figure={percent(newest.cpu_percent)}
      />
      <Line
        samples={samples}
        of={(each) => each.memory_bytes}
        top={sandbox.limits.memory ?? newest.memory_peak_bytes * 1.3}
        label={host.t('Memory %1', bytes(newest.memory_bytes))}
        figure={bytes(newest.memory_bytes)}
      />
    </span>
  );
});

interface LineProps {
  samples: readonly Stats[];
  of(sample: Stats): number;
  top: number;
  label: string;
  figure: string;
}

export function Line({ samples, of, top, label, figure }: LineProps) {
  return (
    <span class="orkee-figure" title={label}>
      <Sparkline values={samples.map(of)} room={SAMPLES} top={top} label={label} />
      <span aria-hidden="true">{figure}</span>
    </span>
  );
}
