/** JSON for a terminal. */

/**
 * JSON in which no text can write into a terminal: JSON leaves DEL, the C1 controls (ESC [ in one character), and the marks
 * that turn the direction of text as they are.
 */
export function jsonOf(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replaceAll(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
