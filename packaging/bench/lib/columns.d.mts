export const COLUMNS: Readonly<Record<string, readonly [title: string, meaning: string, good?: string]>>
export const legend: (keys: ReadonlyArray<string>) => string
