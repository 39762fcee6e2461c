import { useState } from 'preact/hooks';

import { problemOf } from '../actions';
import type { Problem } from '../api';

export interface Task {
  busy: boolean;
  /** How it failed last. */
  problem: Problem | null;
  /** Does something; whatever fails in it is the task's problem. */
  run(work: () => Promise<unknown>): Promise<void>;
}

/** Something that a component has done: whether it is under way, and how it failed. */
export function useTask(): Task {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  return {
    busy,
    problem,
    async run(work) {
      setBusy(true);
      setProblem(null);
      try {
        await work();
      } catch (error) {
        setProblem(problemOf(error));
      }
      setBusy(false);
    }
  };
}
