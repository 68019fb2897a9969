"""The stand-in channel gateway: verifies, signs, keeps state and money, misbehaves on request."""
