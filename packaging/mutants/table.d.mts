export interface Guard {
  readonly promise: string
  readonly file: string
  readonly search: string
  readonly replace: string
  readonly test: string
  readonly name: string
  readonly table: string
}
export declare const read: (root: string, folder?: string) => ReadonlyArray<Guard>
export declare const applied: (guard: Guard, source: string) => string | null
export declare const some: (guards: ReadonlyArray<Guard>, most: number, seed: string) => ReadonlyArray<Guard>
