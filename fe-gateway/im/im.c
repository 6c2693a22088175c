#include "im/im_impl.h"

#define SWEEP_MS 1000

static struct recipients_limits limits_of(const struct im *im)
{
	const struct config *c = im_config(im);
	return (struct recipients_limits){ c->limits.queue_messages, c->limits.queue_bytes };
}

static void on_hold(void *user)
{
	im_in_holds(user);
}

static struct trunk_user trunk_user_of(struct im *im)
{
	return (struct trunk_user){
		.sip = {
			.data = im,
			.methods = SIP_METHOD_BIT(MESSAGE),
			.accept = IW_IM_ACCEPT,
			.request = im_in_request,
			.response = im_out_response,
			.timeout = im_out_timeout,
			.broken = im_out_broken,
		},
		.hop_ready = im_out_hop_ready,
		.hop_failed = im_out_hop_failed,
	};
}

int im_new(const struct im_rooms *below, struct im **out)
{
	struct im *im = *out = xfed_calloc(1, sizeof(*im));
	if (!im) {
		return XFED_ERR_NOMEM;
	}
	*im = (struct im){ .core = below->core,
		.policy = below->policy,
		.channel = below->channel,
		.trunk = below->trunk,
		.contacts = below->contacts,
		.deliver = below->deliver,
		.sessions = below->sessions,
		.journal = below->journal };
	xfed_buf_init(&im->scratch, XFED_STANZA_BYTES_MAX);
	struct recipients_limits limits = limits_of(im);
	int rc = attempts_new(&limits, im_out_origin, im, &im->attempts);
	rc = rc == XFED_OK ? holds_new(0, &im->holds) : rc;
	rc = rc == XFED_OK ? accepted_new(0, &im->accepted) : rc;
	rc = rc == XFED_OK ? rt_timer_init(&im->hold, im->core->d.loop, on_hold, im) : rc;
	im->trunk_user = trunk_user_of(im);
	im->sessions_user = (struct sessions_user){ im, im_out_opened, im_out_not_opened, im_in_session, im_out_told, im_in_untold, im_tell_typing };
	sessions_use(im->sessions, &im->sessions_user);
	deliver_use(im->deliver, DELIVER_MESSAGE, im_take_message, im);
	deliver_use(im->deliver, DELIVER_ERROR, im_in_error, im);
	return rc == XFED_OK ? trunk_use(im->trunk, &im->trunk_user) : rc;
}

void im_free(struct im *im)
{
	if (im) {
		im_out_free_all(im);
		im_in_free_all(im);
		attempts_free(im->attempts);
		holds_free(im->holds);
		accepted_free(im->accepted);
		xfed_buf_deinit(&im->scratch);
		xfed_free(im);
	}
}

/* responses first, because deliveries end with them */
void im_flush(struct im *im)
{
	im_in_flush(im);
	im_out_flush(im);
}

void im_tick(struct im *im, uint64_t now_ms)
{
	if (now_ms >= im->sweep_due_ms) {
		im->sweep_due_ms = now_ms + SWEEP_MS; /* it goes through all messages, and the tick may come more often than needed */
		im_out_tick(im);
	}
	holds_tick(im->holds, now_ms);
	accepted_tick(im->accepted, now_ms);
}

void im_reloaded(struct im *im)
{
	struct recipients_limits limits = limits_of(im);
	attempts_set_limits(im->attempts, &limits);
}

bool im_is_quiet(const struct im *im)
{
	return attempts_count(im->attempts) == 0 && !im->incoming && !im->answers;
}

struct im_load im_load(const struct im *im)
{
	return (struct im_load){
		.to_sip = attempts_count(im->attempts),
		.held = holds_waiting(im->holds),
		.late = attempts_late(im->attempts, im_now(im)),
	};
}
