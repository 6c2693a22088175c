#include "xfed/dialback.h"

static enum xfed_dialback_reaction fail(const struct xfed_dialback_elem *verify, enum xfed_dialback_condition c, struct xfed_dialback_elem *answer)
{
	xfed_dialback_answer_to(verify, XFED_DIALBACK_ERROR, c, answer);
	return XFED_DIALBACK_ANSWER;
}

/* True: the key was made with this hash. An empty or invalid hash matches no key. OK or LIBRARY. */
static int key_matches(
	const struct xfed_dialback_elem *v, struct xfed_span hash_hex, struct xfed_span receiving, struct xfed_span originating, bool *matches)
{
	char key[XFED_DIALBACK_HEX + 1];
	*matches = false;
	int rc = xfed_dialback_key_hashed(hash_hex, receiving, originating, v->id, key);
	if (rc == XFED_OK) {
		*matches = xfed_span_eq_secret(v->key, xfed_span_make(key, XFED_DIALBACK_HEX));
	}
	xfed_wipe(key, sizeof(key));
	return rc == XFED_ERR_INVALID ? XFED_OK : rc;
}

/*
 * The key was made from the addresses as somebody spelled them: normalised if by us, as received if by another server with the same secret.
 * Both spellings are the same domains, so either may match.
 */
static int is_ours(const struct xfed_dialback_elem *v, struct xfed_span hash_hex, bool *out)
{
	bool normal = false, raw = false;
	int rc = key_matches(v, hash_hex, v->from, v->to, &normal);
	if (rc == XFED_OK) {
		rc = key_matches(v, hash_hex, v->from_raw, v->to_raw, &raw);
	}
	*out = normal | raw;
	return rc;
}

enum xfed_dialback_reaction xfed_dialback_authoritative(
	const struct xfed_dialback_elem *verify, const struct xfed_dialback_authority *authority, struct xfed_dialback_elem *answer)
{
	*answer = (struct xfed_dialback_elem){ .kind = XFED_DIALBACK_VERIFY, .type = XFED_DIALBACK_UNKNOWN };
	if (verify->kind != XFED_DIALBACK_VERIFY || verify->type != XFED_DIALBACK_KEY) {
		return XFED_DIALBACK_DROP;
	}
	if (!verify->from_raw.data || !verify->to_raw.data || !verify->id.data) {
		return XFED_DIALBACK_IMPROPER;
	}
	/* [A8-10]: an error, never the end of the stream. */
	if (!verify->to.data || !authority->is_local) {
		return fail(verify, XFED_DIALBACK_ITEM_NOT_FOUND, answer);
	}
	if (authority->refuse != XFED_REASON_NONE) {
		return fail(verify, xfed_dialback_condition_of(authority->refuse), answer);
	}
	if (!verify->from.data) {
		return fail(verify, XFED_DIALBACK_NOT_ACCEPTABLE, answer);
	}
	/* Without a secret no key can be called invalid, which would end the asker's stream. */
	bool current = false, previous = false;
	if ((authority->current.len == 0 && authority->previous.len == 0) || is_ours(verify, authority->current, &current) != XFED_OK ||
		is_ours(verify, authority->previous, &previous) != XFED_OK) {
		return fail(verify, XFED_DIALBACK_INTERNAL, answer);
	}
	xfed_dialback_answer_to(verify, (current | previous) ? XFED_DIALBACK_VALID : XFED_DIALBACK_INVALID, XFED_DIALBACK_NOT_IN_TABLE, answer);
	return XFED_DIALBACK_ANSWER;
}
