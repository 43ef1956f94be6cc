// The reasons of unmatched records, as the engine names them, in words.
const reasonWords: Record<string, string> = {
  no_candidate: 'No candidate',
  amount_differs: 'Amount differs',
  date_outside_window: 'Date outside the window',
  currency_differs: 'Currency differs',
  value_differs: 'Value differs',
  text_below_threshold: 'Text not similar enough',
  taken: 'Best candidate was taken',
  group_does_not_balance: 'Group does not balance',
  ambiguous: 'Ambiguous',
  bad_key: 'Key missing or double',
}

/** A reason in words; a reason of a later server stays as it is. */
export function reasonText(reason: string): string {
  return reasonWords[reason] ?? reason.replaceAll('_', ' ')
}
