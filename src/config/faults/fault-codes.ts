/** The kinds of fault that a configuration can have, by the codes that `mandate check -o json` gives them. */

/** A closed list: a code is never renamed, because scripts and editors rest on it. */
export const FAULT_CODES = {
  yaml: 'the text is not valid YAML, so nothing of it was read',
  duplicate: 'a key, a name or a match stands there twice',
  unknown_key: 'a key that Mandate does not know, or not at this place',
  missing: 'a key that must be there is not, or the file is empty',
  wrong_type: 'a value of another kind, such as text for a group of keys',
  wrong_form: 'a value of the right kind that may not stand there',
  unknown_name: 'the name of a provider or cluster that is not configured',
  unreadable: 'a file or variable that cannot be read or used, or an audit log that cannot be written',
  unsafe: 'keys that are right by themselves, and together unsafe or without a meaning',
  unwise: 'advice: legal, and no fault',
} as const

export type FaultCode = keyof typeof FAULT_CODES
