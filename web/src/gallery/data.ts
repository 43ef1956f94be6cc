import type { Page, RowSource } from '@/lib/rows'

/** A made-up unmatched record. */
export interface FakeRecord {
  key: string
  date: string
  amount: string
  currency: string
  party: string
  text: string
  reason: string
  closest: string
  difference: string | null
}

const parties = [
  'Aurinko Oy',
  'Blackwater Freight Ltd',
  'Çelik Metal A.Ş.',
  'Delta Print GmbH',
  'Ekonomi & Söner AB',
  'Fjord Seafood AS',
  'Grão Café Lda',
  'Harbour Logistics',
]
const reasons = ['no_candidate', 'amount_differs', 'date_outside_window', 'taken', 'ambiguous', 'text_below_threshold']
const currencies = ['EUR', 'USD', 'JPY', 'BHD']

// The same row for the same position, whichever page it comes in.
function at(i: number): FakeRecord {
  const n = (i * 2_654_435_761) % 4_294_967_296
  const pick = <T>(from: readonly T[], shift: number) => from[Math.floor(n / 2 ** shift) % from.length] as T
  const cents = (n % 9_000_000) + 100
  const currency = pick(currencies, 7)
  const off = n % 3 === 0 ? null : `${n % 2 ? '-' : ''}${(n % 40) + 1}.${String(n % 100).padStart(2, '0')}`
  return {
    key: `INV-${String(1_000_000 + i)}`,
    date: new Date(Date.UTC(2026, 0, 1 + (n % 330))).toISOString().slice(0, 10),
    amount:
      currency === 'JPY'
        ? `${cents}`
        : `${n % 11 === 0 ? '-' : ''}${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`,
    currency,
    party: pick(parties, 3),
    text: `Order ${n % 99_999} of ${pick(parties, 11)}, delivered in ${(n % 4) + 1} parts`,
    reason: pick(reasons, 5),
    closest: `PAY-${n % 2_000_000}`,
    difference: off,
  }
}

/** A source of so many rows that answers after a while, as a server does. */
export function fakeRecords(total: number, delay = 40): RowSource<FakeRecord> {
  return {
    seekable: true,
    fetch: ({ offset, limit, signal }) =>
      new Promise<Page<FakeRecord>>((resolve, reject) => {
        const timer = setTimeout(() => {
          const rows = Array.from({ length: Math.max(0, Math.min(limit, total - offset)) }, (_, i) => at(offset + i))
          resolve({ rows, total, next: offset + limit < total ? String(offset + limit) : undefined })
        }, delay)
        signal.addEventListener('abort', () => {
          clearTimeout(timer)
          reject(new DOMException('Abandoned', 'AbortError'))
        })
      }),
  }
}

export const recipe = `kalla: 1
recipe_id: invoices-payments
name: Invoices against payments
left:
  source: invoices
  key: [invoice_id]
right:
  source: payments
  key: [payment_id]
match:
  - name: exact reference
    when:
      - left: invoice_id
        right: reference
        op: eq
      - left: amount
        right: paid
        within: 0.02 # cents of rounding
  - name: amount and date
    when:
      - left: amount
        right: payed
        op: eq
`
