// Charts are loaded when the first of them is shown.
import { Loading, Skeleton } from '@/ui/states'
import { lazy, Suspense, type ComponentType, type LazyExoticComponent } from 'react'

function shown<P extends object>(Chart: LazyExoticComponent<ComponentType<P>>) {
  return function LazyChart(props: P) {
    return (
      <Suspense
        fallback={
          <Loading label="Loading the chart">
            <Skeleton className="h-48 w-full" />
          </Loading>
        }
      >
        <Chart {...props} />
      </Suspense>
    )
  }
}

export const RateLine = shown(lazy(() => import('./rate').then((m) => ({ default: m.RateLine }))))
export const PassWaterfall = shown(lazy(() => import('./bars').then((m) => ({ default: m.PassWaterfall }))))
export const ReasonBars = shown(lazy(() => import('./bars').then((m) => ({ default: m.ReasonBars }))))
export const AmountHistogram = shown(lazy(() => import('./histogram').then((m) => ({ default: m.AmountHistogram }))))
export const Ageing = shown(lazy(() => import('./histogram').then((m) => ({ default: m.Ageing }))))
export const Proof = shown(lazy(() => import('./proof').then((m) => ({ default: m.Proof }))))
