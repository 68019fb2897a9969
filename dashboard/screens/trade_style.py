"""How a trade's page looks: one style for its head, verdict, facts and time line."""

from __future__ import annotations

STYLE = """<style>
.mt { --good: #0D9488; --bad: #D9480F; --open: #B45309; --plain: #64748B; line-height: 1.45; }
.mt .good { --tone: var(--good); } .mt .bad { --tone: var(--bad); }
.mt .open { --tone: var(--open); } .mt .plain { --tone: var(--plain); }
.mt .soft { color: color-mix(in srgb, currentColor 74%, transparent); }
.mt-head { display: flex; flex-wrap: wrap; align-items: center; gap: .35rem .8rem; }
.mt-head h2 { font-size: 1.35rem; font-weight: 600; margin: 0; padding: 0; overflow-wrap: anywhere; }
.mt-chip { display: inline-flex; align-items: center; gap: .4em; padding: .12rem .7rem;
  border-radius: 999px; font-size: .9rem; font-weight: 600; white-space: nowrap;
  background: color-mix(in srgb, var(--tone) 15%, transparent);
  border: 1px solid color-mix(in srgb, var(--tone) 55%, transparent); }
.mt-chip::before { content: ""; width: .55em; height: .55em; border-radius: 50%;
  background: var(--tone); }
.mt-sum { display: flex; flex-wrap: wrap; align-items: baseline; gap: .2rem 1.4rem;
  margin-top: .35rem; font-variant-numeric: tabular-nums; }
.mt-sum b { font-size: 2rem; font-weight: 600; letter-spacing: -.01em; }
.mt-verdict { margin-top: .8rem; border-left: 4px solid var(--tone); border-radius: .35rem;
  padding: .75rem 1rem;
  background: color-mix(in srgb, var(--tone) 8%, transparent); font-size: 1.08rem; }
.mt-verdict p { margin: 0; } .mt-next { margin-top: .35rem !important; font-size: 1rem; }
.mt-next b { font-weight: 600; }
.mt-facts { display: grid; gap: 0 2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); }
.mt-facts > div { display: flex; justify-content: space-between; gap: 1rem; padding: .42rem 0;
  border-bottom: 1px solid color-mix(in srgb, currentColor 12%, transparent); }
.mt-facts .v { text-align: right; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.mt-line { list-style: none; margin: 0; padding: 0; }
.mt-line li { display: grid; grid-template-columns: 5.2rem 1.4rem minmax(0, 1fr); margin: 0; }
.mt-line time { text-align: right; font-variant-numeric: tabular-nums; padding-top: .1rem; }
.mt-line small { display: block; font-size: .78rem; }
.mt-rail { position: relative; }
.mt-rail::before { content: ""; position: absolute; left: 50%; top: 0; bottom: 0; width: 2px;
  margin-left: -1px; background: color-mix(in srgb, currentColor 18%, transparent); }
.mt-line li:last-child .mt-rail::before { bottom: auto; height: .75rem; }
.mt-rail::after { content: ""; position: absolute; left: 50%; top: .42rem; width: .72rem;
  height: .72rem; margin-left: -.36rem; border-radius: 50%; background: var(--tone); }
.mt-line .ahead .mt-rail::after { background: transparent; border: 2px solid var(--tone);
  box-sizing: border-box; }
.mt-what { padding: 0 0 .8rem .5rem; overflow-wrap: anywhere; }
.mt-what b { font-weight: 600; } .mt-what .sum { font-variant-numeric: tabular-nums; }
.mt-line .day > :last-child { padding: .1rem 0 .6rem .5rem; font-weight: 600; font-size: .9rem; }
.mt-line .day .mt-rail::after { display: none; }
.mt-line .day:first-child .mt-rail::before { display: none; }
.mt-raw td { padding: .18rem .9rem .18rem 0; vertical-align: top; overflow-wrap: anywhere;
  border-bottom: 1px solid color-mix(in srgb, currentColor 12%, transparent); }
.mt-raw td:first-child { white-space: nowrap; }
@media (max-width: 640px) {
  .mt-sum b { font-size: 1.7rem; }
  .mt-line li { grid-template-columns: 4.4rem 1.2rem minmax(0, 1fr); }
}
</style>"""
