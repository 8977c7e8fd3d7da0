import type { RegistryError } from './registry';

const FIRST_MS = 100;

/**
 * How long something that failed is left alone: twice as long after each failure, until it answers. The registry's answers have one and its
 * store another, so that files that are gone hide no move.
 */
export class Pause {
  private until = 0;
  private nextMs = FIRST_MS;
  private reason = '';
  private isAfterBusy = false;

  constructor(
    private readonly elapsed: () => number,
    private readonly longestMs: number,
  ) {}

  /** Why nothing is asked now; undefined when it may be. */
  get because(): string | undefined {
    return this.elapsed() < this.until ? `not asked again yet after: ${this.reason}` : undefined;
  }

  /** What is left of a pause after it was too busy; undefined when it answers, or cannot be reached at all. */
  get busyForMs(): number | undefined {
    return this.isAfterBusy ? Math.max(0, this.until - this.elapsed()) : undefined;
  }

  begin(failure: RegistryError): void {
    this.until = this.elapsed() + this.nextMs;
    this.reason = failure.message;
    this.isAfterBusy = failure.kind === 'busy';
    this.nextMs = Math.min(this.nextMs * 2, this.longestMs);
  }

  end(): void {
    this.until = 0;
    this.nextMs = FIRST_MS;
    this.isAfterBusy = false;
  }
}
