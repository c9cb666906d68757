/** How the budget worked out. */
export interface Budget {
  readonly tokens: number
  readonly used: number
  readonly remaining: number
  /** Memories that were found but had no room. */
  readonly dropped: number
  /** The best memory alone has more tokens than the budget: it is given all the same. */
  readonly overflow: boolean
}

/**
 * How many of the best fit together into the budget. The very best is given even when it does not fit alone, unless the
 * budget is 0; one that does not fit ends the list, so that no worse memory takes the place of a better one.
 */
export const withinBudget = (
  tokens: ReadonlyArray<number>,
  budget: number | undefined
): { readonly kept: number; readonly used: number } => {
  let kept = 0
  let used = 0
  for (const each of tokens) {
    if (budget !== undefined && (budget === 0 || (kept > 0 && used + each > budget))) break
    kept += 1
    used += each
  }
  return { kept, used }
}

export const budgetOf = (
  spent: { readonly tokens: number; readonly used: number; readonly dropped: number }
): Budget => ({
  ...spent,
  remaining: Math.max(0, spent.tokens - spent.used),
  overflow: spent.used > spent.tokens
})
