/**
 * The help of the command-line library, made readable: without its remarks that every setting is optional text, with commands
 * by their names alone, and without colours where nobody sees them.
 */
export const tidy = (
  text: string,
  options: { readonly colors: boolean; readonly args: ReadonlyArray<string> }
): string =>
  (options.colors ? text : withoutColors(text))
    .replaceAll(/^ {2}(?:A user-defined piece of text|A true or false value|This setting is optional)\.\n\n?/gm, "")
    .replaceAll(USAGE, (_, before: string, name: string) => `${before}quorate ${groupOf(name, options.args)}${name}`)
    .replaceAll(COMMAND, (_, name: string, description: string) => `  ${name.padEnd(21)}${description}`)

/** A command of the list, its usage of any length, and what it does. */
const COMMAND = /^ {2}- ([a-z]+(?:[ -][a-z]+)*)(?: (?:--|\[|<).*?)? {2,}(\S.*)$/gm

/** The usage of a command, which the library shows without the program that it is of. */
const USAGE = /^((?:\u001b\[[0-9;]*m)*\$ (?:\u001b\[[0-9;]*m)*)(?!quorate\b)([a-z]+(?:-[a-z]+)*)/gm

/** The word before a command that is one of a group, as it was asked for. */
const groupOf = (name: string, args: ReadonlyArray<string>): string => {
  const before = args[args.indexOf(name) - 1] ?? ""
  return GROUPS.test(before) ? `${before} ` : ""
}

const GROUPS = /^(?:config|keys|identity|ca|quarantine)$/

export const withoutColors = (text: string): string => text.replaceAll(/\u001b\[[0-9;]*m/g, "")
