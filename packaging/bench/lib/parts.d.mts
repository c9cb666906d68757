export const PARTS: Readonly<
  Record<string, {
    readonly table: { readonly title: string; readonly keys: ReadonlyArray<string> }
  }>
>
export const names: ReadonlyArray<string>
