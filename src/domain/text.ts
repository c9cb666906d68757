import { trim } from "./validate.js"

/*
 * Texts of clients come from editors, terminals and other systems. What only these need is taken out before the rules are
 * asked, so that what is stored suits every node.
 */

/** Lines end with a line feed, and what a terminal takes for a colour or a movement is gone. */
export const tidy = (text: string): string => TO_TIDY.test(text) ? withoutColours(text).replace(/\r\n?/g, "\n") : text

/** The same of a title, which has no white space around it. */
export const tidyTitle = (text: string): string => trim(tidy(text))

/** Whether something would be taken out that is no end of a line. */
export const isColoured = (text: string): boolean => withoutColours(text) !== text

const TO_TIDY = /[\r\u001b]/

const withoutColours = (text: string): string => text.replace(SEQUENCE, "")

/** A control sequence of a terminal (ECMA-48): colours, and what clears a line after them. */
const SEQUENCE = /\u001b\[[0-9:;<=>?]*[ -/]*[@-~]/g
