import type ts from "typescript"

export interface File {
  readonly path: string
  readonly text: string
}
export interface Source extends File {
  readonly tree: ts.SourceFile
}
export const read: (dir: string, folders: ReadonlyArray<string>) => ReadonlyArray<File>
export const parse: (files: ReadonlyArray<File>) => ReadonlyArray<Source>
export const walk: (node: ts.Node, visit: (node: ts.Node) => void) => void
export const lineOf: (tree: ts.SourceFile, position: number) => number
