#include "presence/format.h"

#include "interwork/address.h"
#include "sip/lex.h"

/* The form that a media range of Accept stands for; false: none. */
static bool of_range(struct xfed_span range, enum iw_msrtc_format *out)
{
	*out = IW_MSRTC_PIDF;
	return iw_msrtc_format_of(range, out) || xfed_span_eq_nocase(range, XFED_SPAN("application/*")) || xfed_span_is(range, "*/*");
}

bool format_asked(const struct sip_message *m, const struct config_domain *d, enum iw_msrtc_format *out)
{
	const struct sip_header *h = sip_message_header(m, SIP_HEADER_ACCEPT, NULL);
	bool is_lync = d->dialect == CONFIG_DIALECT_LYNC, is_listed = h == NULL;
	*out = IW_MSRTC_PIDF;
	for (; h; h = sip_message_header(m, SIP_HEADER_ACCEPT, h)) {
		struct xfed_span rest = h->value, element;
		bool bad = false;
		while (sip_list_next(&rest, &element, &bad)) {
			enum iw_msrtc_format f;
			size_t end = sip_find_outside(element, ';');
			struct xfed_span range = sip_trim(xfed_span_make(element.data, end == SIZE_MAX ? element.len : end));
			if (of_range(range, &f) && (is_lync || f == IW_MSRTC_PIDF)) {
				*out = f < *out ? f : *out; /* the richest come first */
				is_listed = true;
			}
		}
	}
	return is_listed;
}

const char *format_accept(const struct config_domain *d)
{
	bool is_lync = d->dialect == CONFIG_DIALECT_LYNC;
	return is_lync ? "Accept: application/msrtc-event-categories+xml, text/xml+msrtc.pidf, " IW_PIDF_TYPE "\r\n" : "Accept: " IW_PIDF_TYPE "\r\n";
}

enum iw_msrtc_format format_of_resumed(const struct config_domain *d)
{
	return d->dialect == CONFIG_DIALECT_LYNC ? IW_MSRTC_CATEGORIES : IW_MSRTC_PIDF;
}

static int write_pidf(struct xfed_arena *a, const struct xfed_jid *contact, const struct iw_presence *state, struct xfed_buf *out)
{
	struct iw_pidf_addresses to;
	int rc = iw_jid_to_sip(a, contact, NULL, &to.contact);
	rc = rc == XFED_OK ? iw_jid_to_sip(a, contact, &(struct iw_address_options){ .scheme = IW_SCHEME_PRES }, &to.entity) : rc;
	return rc == XFED_OK ? iw_pidf_write(out, state, &to) : rc;
}

static int write_lync(
	struct xfed_arena *a, enum iw_msrtc_format f, const struct xfed_jid *contact, const struct iw_presence *state, struct xfed_buf *out)
{
	static const struct xfed_span scheme = { "sip:", 4 };
	struct iw_msrtc_subject of = { .display = { NULL, 0 } };
	struct xfed_span uri;
	int rc = iw_jid_to_sip(a, contact, NULL, &uri);
	if (rc != XFED_OK) {
		return rc;
	}
	of.address = xfed_span_make(uri.data + scheme.len, uri.len - scheme.len);
	return iw_msrtc_write(out, f, state, &of);
}

/* A reload may have changed the dialect since it was asked for. */
enum iw_msrtc_format format_of(const struct watch *w, const struct config_domain *d)
{
	return d->dialect == CONFIG_DIALECT_LYNC ? (enum iw_msrtc_format)w->format : IW_MSRTC_PIDF;
}

int format_write(struct xfed_arena *a, const struct watch *w, const struct config_domain *d, struct xfed_buf *out)
{
	const struct pair *pair = w->party.pair;
	struct iw_device list[16];
	struct iw_presence state = { .devices = list };
	struct iw_presence_map map;
	struct xfed_jid contact;
	for (size_t i = 0; i < pair->known.count && i < XFED_ARRAY_LEN(list) && !w->is_leaving; i++) {
		iw_device_assign(&list[state.count++], pair->known.list[i]);
	}
	int rc = xfed_jid_parse(a, contact_remote(pair->contact), &contact);
	policy_presence_map(pair->presence->policy, d, pair_remote_domain(pair), &map);
	iw_presence_map_to_sip(&map, &state);
	if (rc != XFED_OK) {
		return rc;
	}
	return d->dialect == CONFIG_DIALECT_LYNC ? write_lync(a, format_of(w, d), &contact, &state, out) : write_pidf(a, &contact, &state, out);
}

enum iw_pidf_result format_read(struct xfed_arena *a, const struct sip_message *m, struct iw_presence *out, bool *has_state)
{
	enum iw_msrtc_format f;
	*has_state = true;
	if (iw_msrtc_format_of(m->media_type, &f) && f != IW_MSRTC_PIDF) {
		return iw_msrtc_read(a, m->body, out, has_state);
	}
	return iw_pidf_read(a, m->body, m->content_language, out);
}
