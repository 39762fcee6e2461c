import type { ComponentChildren } from 'preact';

import type { Problem } from '../api';

/** What went wrong, what to do, and the last lines of a log: as text, whatever is in it. */
export function ProblemBox({ problem, children }: { problem: Problem; children?: ComponentChildren }) {
  return (
    <div class="orkee-problem" role="alert">
      <p class="orkee-problem-cause">{problem.detail}</p>
      {problem.remedy && <p>{problem.remedy}</p>}
      {problem.lines !== undefined && problem.lines.length > 0 && (
        <pre class="orkee-lines" tabIndex={0}>{problem.lines.join('\n')}</pre>
      )}
      {children !== undefined && <div class="orkee-buttons">{children}</div>}
    </div>
  );
}
