/** The runner has a word with its workers now and then: what computes for long lets it, or is taken for lost after a minute. */
export const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
