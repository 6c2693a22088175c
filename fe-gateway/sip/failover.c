#include "sip/failover.h"

#include "xfed/mem.h"

struct sip_failover {
	size_t count, at;
	char tls_name[SIP_NAME_SIZE];
	struct {
		struct sip_location place;
		unsigned number;
	} list[];
};

/* ---- places that failed ---- */

static size_t find_failed(const struct sip_failed_places *f, const struct sip_location *where)
{
	size_t i = 0;
	for (; i < f->count; i++) {
		bool same_address = f->list[i].is_ipv6 == where->is_ipv6 && memcmp(f->list[i].address, where->address, where->is_ipv6 ? 16 : 4) == 0;
		if (same_address && f->list[i].port == where->port && f->list[i].transport == where->transport) {
			break;
		}
	}
	return i;
}

static size_t oldest_failed(const struct sip_failed_places *f)
{
	size_t oldest = 0;
	for (size_t i = 1; i < f->count; i++) {
		oldest = f->list[i].until_ms < f->list[oldest].until_ms ? i : oldest;
	}
	return oldest;
}

void sip_failed_add(struct sip_failed_places *f, const struct sip_location *where, uint64_t now_ms)
{
	size_t i = find_failed(f, where);
	if (i == f->count) {
		i = f->count < XFED_ARRAY_LEN(f->list) ? f->count++ : oldest_failed(f);
		f->list[i].transport = where->transport;
		f->list[i].is_ipv6 = where->is_ipv6;
		memcpy(f->list[i].address, where->address, sizeof(where->address));
		f->list[i].port = where->port;
	}
	f->list[i].until_ms = now_ms + XFED_SIP_FAILED_MS;
}

void sip_failed_remove(struct sip_failed_places *f, const struct sip_location *where)
{
	size_t i = find_failed(f, where);
	if (i < f->count) {
		f->list[i] = f->list[--f->count];
	}
}

/* True: the place is to be tried last. A place whose time is over is tried again by this request, and by no other. */
static bool is_failed(struct sip_failed_places *f, const struct sip_location *where, uint64_t now_ms)
{
	size_t i = find_failed(f, where);
	if (i == f->count) {
		return false;
	}
	bool is_recent = now_ms < f->list[i].until_ms;
	if (!is_recent) {
		f->list[i].until_ms = now_ms + XFED_SIP_FAILED_MS;
	}
	return is_recent;
}

/* ---- the places of one request ---- */

static void put(struct sip_failover *f, const struct sip_location *where, unsigned number)
{
	struct sip_location *to = &f->list[f->count].place;
	f->list[f->count++].number = number;
	*to = *where;
	to->tls_name = "";
	/* All places of a list that need a certificate name need the same one. */
	if (where->tls_name[0]) {
		size_t len = strnlen(where->tls_name, sizeof(f->tls_name) - 1);
		memcpy(f->tls_name, where->tls_name, len);
		f->tls_name[len] = '\0';
		to->tls_name = f->tls_name;
	}
}

int sip_failover_new(const struct sip_locations *found, struct sip_failed_places *failed, uint64_t now_ms, struct sip_failover **out)
{
	XFED_REQUIRE(found->count > 0 && found->count <= XFED_SIP_LOCATE_RESULTS);
	struct sip_failover *f = xfed_calloc(1, sizeof(*f) + found->count * sizeof(f->list[0]));
	bool is_last[XFED_SIP_LOCATE_RESULTS];
	*out = f;
	if (!f) {
		return XFED_ERR_NOMEM;
	}
	for (size_t i = 0; i < found->count; i++) {
		is_last[i] = is_failed(failed, &found->list[i], now_ms);
		if (!is_last[i]) {
			put(f, &found->list[i], (unsigned)i);
		}
	}
	for (size_t i = 0; i < found->count; i++) {
		if (is_last[i]) {
			put(f, &found->list[i], (unsigned)i);
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
	return &f->list[f->at].place;
}

unsigned sip_failover_number(const struct sip_failover *f)
{
	return f->list[f->at].number;
}

/* Whether it is certain that no server has accepted the request. */
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

bool sip_failover_next(struct sip_failover *f, enum sip_attempt_end end, int status, bool was_written)
{
	if (!is_untaken(end, status, was_written) || f->at + 1 >= f->count) {
		return false;
	}
	f->at++;
	return true;
}
