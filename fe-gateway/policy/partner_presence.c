/* The few partners of whom files say what show and activities mean. */
#include "policy/partner_file.h"
#include "util/table.h"

struct partner_presence {
	struct iw_presence_choice choice;
	UT_hash_handle hh;
	char domain[];
};

int partner_presence_add(struct partner_presence **table, const char *domain, const struct iw_presence_choice *choice)
{
	size_t len = strlen(domain);
	if (!iw_presence_choice_is_made(choice)) {
		return XFED_OK;
	}
	struct partner_presence *e = xfed_malloc(sizeof(*e) + len + 1);
	if (!e) {
		return XFED_ERR_NOMEM;
	}
	e->choice = *choice;
	memcpy(e->domain, domain, len + 1);
	HASH_ADD_KEYPTR(hh, *table, e->domain, len, e);
	if (!XFED_TABLE_ADDED(e)) {
		xfed_free(e);
		return XFED_ERR_NOMEM;
	}
	return XFED_OK;
}

const struct iw_presence_choice *partner_presence_find(const struct partner_presence *table, const char *domain)
{
	struct partner_presence *e = NULL;
	HASH_FIND(hh, table, domain, strlen(domain), e);
	return e ? &e->choice : NULL;
}

void partner_presence_free(struct partner_presence **table)
{
	struct partner_presence *e, *next;
	HASH_ITER(hh, *table, e, next) {
		HASH_DELETE(hh, *table, e);
		xfed_free(e);
	}
}
