#include "sip/failover.h"

#include "xfed/mem.h"

struct sip_failover {
	size_t count, at;
	char tls_name[SIP_NAME_SIZE];
	struct sip_location list[];
};

int sip_failover_new(const struct sip_locations *found, struct sip_failover **out)
{
	XFED_REQUIRE(found->count > 0);
	struct sip_failover *f =
		xfed_calloc(1, sizeof(*f) + found->count * sizeof(struct sip_location));
	*out = f;
	if (!f) {
		return XFED_ERR_NOMEM;
	}
	f->count = found->count;
	for (size_t i = 0; i < found->count; i++) {
		f->list[i] = found->list[i];
		f->list[i].tls_name = "";
		/* All places of a list that need a name need the same one. */
		if (found->list[i].tls_name[0]) {
			size_t len = strnlen(found->list[i].tls_name, sizeof(f->tls_name) - 1);
			memcpy(f->tls_name, found->list[i].tls_name, len);
			f->tls_name[len] = '\0';
			f->list[i].tls_name = f->tls_name;
		}
	}
	return XFED_OK;
}

void sip_failover_free(struct sip_failover *f)
{
	xfed_free(f);
}

const struct sip_location *sip_failover_place(const struct sip_failover *f)
{
	return &f->list[f->at];
}

unsigned sip_failover_number(const struct sip_failover *f)
{
	return (unsigned)f->at;
}

/* Whether it is certain that the request has not been taken. */
static bool is_untaken(enum sip_attempt_end end, int status, bool was_written)
{
	switch (end) {
	case SIP_ATTEMPT_RESPONSE:
		return status == 503;
	case SIP_ATTEMPT_ERROR:
		return !was_written;
	case SIP_ATTEMPT_TIMEOUT:
		return false;
	}
	return false;
}

bool sip_failover_next(
	struct sip_failover *f, enum sip_attempt_end end, int status, bool was_written)
{
	if (!is_untaken(end, status, was_written) || f->at + 1 >= f->count) {
		return false;
	}
	f->at++;
	return true;
}
