export const PEER: string
export const wordsOf: (command: string) => ReadonlyArray<string>
