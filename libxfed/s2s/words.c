/* States in words. A file of its own because xfedctl needs only these, and is linked without a TLS library. */
#include "internal.h"

const char *const s2s_state_names[XFED_S2S_DONE + 1] = {
#define X(id, name) name,
	XFED_S2S_STATES(X)
#undef X
};

const char *xfed_s2s_words(const char *state_name)
{
	static const char *const words[] = {
		[XFED_S2S_NEW] = "just connected",
		[XFED_S2S_WAIT_HEADER] = "waiting for the other side's stream header",
		[XFED_S2S_WAIT_DECISION] = "being judged by policy",
		[XFED_S2S_WAIT_FEATURES] = "waiting for what the partner offers",
		[XFED_S2S_WAIT_PROCEED] = "waiting for the answer to STARTTLS",
		[XFED_S2S_WAIT_NEGOTIATION] = "waiting for the partner to start TLS or log in",
		[XFED_S2S_HANDSHAKING] = "in the TLS handshake",
		[XFED_S2S_WAIT_SASL] = "waiting for the answer to our certificate login",
		[XFED_S2S_WAIT_DIALBACK] = "waiting for the verdict on our dialback key",
		[XFED_S2S_VERIFYING] = "open for dialback questions",
		[XFED_S2S_READY] = "ready",
		[XFED_S2S_CLOSING] = "closing",
		[XFED_S2S_DONE] = "ended",
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(words); i++) {
		if (strcmp(state_name, s2s_state_names[i]) == 0) {
			return words[i];
		}
	}
	return state_name;
}
