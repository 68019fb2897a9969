"""The one script of our own: whoever opens Trades can type at once."""

from __future__ import annotations

SCRIPT = """
(() => {
  const field = document.querySelector('.st-key-id input');
  if (field && !field.value && document.activeElement === document.body) field.focus();
})();
"""
"""Named to the policy that lets no other script run."""
