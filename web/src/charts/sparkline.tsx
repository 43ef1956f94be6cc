import { position, type Decimal } from '@/lib/decimal'
import { percent } from '@/lib/format'

/** The match rates of the last runs, oldest first, in the height of a line of text. */
export function RateSparkline({
  rates,
  width = 88,
  height = 20,
}: {
  rates: readonly Decimal[]
  width?: number
  height?: number
}) {
  const last = rates.at(-1)
  if (last === undefined) return <span className="text-xs text-faint">No runs yet</span>
  const values = rates.map((r) => position(r, '0', '1'))
  const least = Math.min(...values)
  const span = Math.max(0.005, Math.max(...values) - least)
  const x = (i: number) => (rates.length === 1 ? width - 4 : 3 + (i / (rates.length - 1)) * (width - 7))
  const y = (v: number) => height - 4 - ((v - least) / span) * (height - 8)
  const points = values.map((v, i) => `${x(i).toFixed(1)},${y(v).toFixed(1)}`).join(' ')
  return (
    <svg
      width={width}
      height={height}
      role="img"
      aria-label={`Match rate of the last ${rates.length} runs, now ${percent(last)}`}
      className="shrink-0 align-middle"
    >
      <polyline points={points} fill="none" stroke="var(--chart-1)" strokeWidth={1.5} strokeLinejoin="round" />
      <circle cx={x(rates.length - 1)} cy={y(values.at(-1) ?? 0)} r={2.5} fill="var(--chart-1)" />
    </svg>
  )
}
