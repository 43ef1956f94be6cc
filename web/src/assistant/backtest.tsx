import type { Schema } from '@/lib/api'
import { compare, subtract, type Decimal } from '@/lib/decimal'
import { amount, count, percent, plural } from '@/lib/format'
import { cx } from '@/ui/cx'
import { Badge, Note } from '@/ui/status'
import { keyText } from './conversation'
import { Frame } from './frame'

type Summary = Schema<'Summary'>

interface Figure {
  label: string
  of: (s: Summary) => Decimal
  text: (n: Decimal) => string
  /** Whether more of it is better; undefined where that cannot be said. */
  more?: boolean
}

const whole = (n: Decimal) => count(Number(n))
const breaks = (s: Summary) => Object.values(s.breaks).reduce((all, n) => all + n, 0)

function figuresOf({ left, right }: Summary): Figure[] {
  const sums = (['left', 'right'] as const).flatMap((side) =>
    Object.keys({ left, right }[side].sums).map((column) => ({
      label: `Unmatched ${column} of ${{ left, right }[side].alias}`,
      of: (s: Summary) => s[side].sums[column]?.unmatched ?? '0',
      text: (n: Decimal) => amount(n, ''),
      more: false,
    })),
  )
  return [
    { label: 'Match rate', of: (s) => s.match_rate, text: (n) => percent(n), more: true },
    { label: `Matched ${left.alias}`, of: (s) => String(s.left.matched), text: whole, more: true },
    { label: `Matched ${right.alias}`, of: (s) => String(s.right.matched), text: whole, more: true },
    { label: `Unmatched ${left.alias}`, of: (s) => String(s.left.unmatched), text: whole, more: false },
    { label: `Unmatched ${right.alias}`, of: (s) => String(s.right.unmatched), text: whole, more: false },
    ...sums,
    { label: 'Ambiguous matches', of: (s) => String(s.ambiguous), text: whole, more: false },
    { label: 'Breaks', of: (s) => String(breaks(s)), text: whole, more: false },
  ]
}

const changes: Record<string, string> = {
  newly_matched: 'newly matched',
  newly_ambiguous: 'newly ambiguous',
  came_apart: 'came apart',
  matched_to_other: 'matched to another record',
  reason_changed: 'unmatched for another reason',
}

/** What the recipe does to the records as they are now, beside what its saved version does. */
export function Backtest({ test }: { test: Schema<'AgentBacktest'> }) {
  const { summary, base } = test
  const label = test.base_label ?? 'Before'
  const disagreements = test.disagreements ?? []
  const moved = (['left', 'right'] as const).flatMap((side) =>
    Object.entries(test.changes?.[side] ?? {})
      .filter(([, n]) => n > 0)
      .map(([what, n]) => ({ side, what, n })),
  )
  return (
    <Frame title="Tried on all records" aside={<Badge>nothing is saved by this</Badge>}>
      <div className="overflow-x-auto" tabIndex={0} role="region" aria-label="Figures of the test">
        <table className="num w-full border-collapse text-sm">
          <thead className={cx('bg-sunken text-xs text-muted', !base && 'sr-only')}>
            <tr>
              <th scope="col" className="px-3.5 py-1.5 text-left font-medium">
                Figure
              </th>
              {base && (
                <th scope="col" className="px-3 py-1.5 text-right font-medium">
                  {label.charAt(0).toUpperCase() + label.slice(1)}
                </th>
              )}
              <th scope="col" className="px-3.5 py-1.5 text-right font-medium">
                This draft
              </th>
              {base && (
                <th scope="col" className="px-3.5 py-1.5 text-right font-medium">
                  Change
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {figuresOf(summary).map((figure) => (
              <tr key={figure.label} className="border-b border-line last:border-0">
                <th scope="row" className="px-3.5 py-1.5 text-left font-normal text-muted">
                  {figure.label}
                </th>
                {base && (
                  <td className="px-3 py-1.5 text-right whitespace-nowrap text-muted">
                    {figure.text(figure.of(base))}
                  </td>
                )}
                <td className="px-3.5 py-1.5 text-right font-medium whitespace-nowrap">
                  {figure.text(figure.of(summary))}
                </td>
                {base && (
                  <td className="px-3.5 py-1.5 text-right whitespace-nowrap">
                    <Change figure={figure} by={subtract(figure.of(summary), figure.of(base))} />
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {moved.length > 0 && (
        <div className="border-t border-line px-3.5 py-2.5">
          <h4 className="mb-1 text-xs text-muted">Records for which something changes against {label}</h4>
          <ul className="num flex flex-wrap gap-x-5 gap-y-1 text-sm">
            {moved.map(({ side, what, n }) => (
              <li key={side + what}>
                <span className="font-medium">{count(n)}</span> {summary[side].alias}{' '}
                {changes[what] ?? what.replaceAll('_', ' ')}
              </li>
            ))}
          </ul>
        </div>
      )}
      {test.examples > 0 && (
        <div className="border-t border-line p-3.5">
          {disagreements.length === 0 ? (
            <Note tone="ok">
              It agrees with {test.examples === 1 ? 'your example' : `all of your ${plural(test.examples, 'example')}`}.
            </Note>
          ) : (
            <Note
              tone="warn"
              title={`It disagrees with ${disagreements.length} of your ${plural(test.examples, 'example')}`}
            >
              <ul className="num mt-1 flex flex-col gap-1">
                {disagreements.map((d, i) => (
                  <li key={i}>
                    <span className="font-medium">{keyText(d.example.left)}</span> and{' '}
                    <span className="font-medium">{keyText(d.example.right)}</span>: you said that they{' '}
                    {d.example.match ? 'belong together' : 'do not belong together'}; {d.why}
                  </li>
                ))}
              </ul>
            </Note>
          )}
        </div>
      )}
    </Frame>
  )
}

function Change({ figure, by }: { figure: Figure; by: Decimal }) {
  const way = compare(by, '0')
  if (way === 0) return <span className="text-faint">none</span>
  const better = figure.more === undefined ? undefined : way > 0 === figure.more
  return (
    <span className={better === undefined ? undefined : better ? 'text-ok' : 'text-bad'}>
      {way > 0 && '+'}
      {figure.text(by)}
      {better !== undefined && <span className="sr-only">{better ? ' (better)' : ' (worse)'}</span>}
    </span>
  )
}
