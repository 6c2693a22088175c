/*
 * The sandbox, tried out from inside: each row is a child that enters it, tries one thing in the loop's thread and then on a worker, and
 * says how that went. With every right of Landlock this kernel has, and with those of the kernel of Debian 12 (version 2).
 */
#include "xfed/rt/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "xfed/mem.h"
#include "xfed/rt/conf.h"
#include "xfed/rt/job.h"

#define DEBIAN_12 2

/* The folder of a test; read, written and door are named, beside is not. */
static char top[64];

static const char *at(const char *name)
{
	static char paths[4][256];
	static unsigned turn;
	char *path = paths[turn++ % 4];
	snprintf(path, sizeof(paths[0]), "%s/%s", top, name);
	return path;
}

static int put(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, "text\n", 5) != 5) {
		return errno;
	}
	return close(fd) == 0 ? 0 : errno;
}

static int set_up(void **state)
{
	static const char *const folders[] = { "read", "written", "door", "beside", "leads", "swapped" };
	static const char *const files[] = { "read/a", "beside/b", "leads/c", "swapped/d" };
	bool ok = true;
	(void)state;
	strcpy(top, "/tmp/xfed-sandbox-XXXXXX");
	ok = mkdtemp(top) != NULL;
	for (size_t i = 0; i < XFED_ARRAY_LEN(folders); i++) {
		ok = ok && mkdir(at(folders[i]), 0700) == 0;
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(files); i++) {
		ok = ok && put(at(files[i])) == 0;
	}
	return ok && symlink(at("leads/c"), at("read/link")) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", top);
	return system(command) == 0 ? 0 : -1;
}

static uint16_t free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static uint16_t named_port, other_port;

/* ---- what is tried: 0, or the errno ---- */

static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);
	return fd < 0 ? errno : close(fd);
}

static int reads_what_is_named(void)
{
	return try_open(at("read/a"), O_RDONLY);
}

static int reads_what_was_not_there(void)
{
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		return EEXIST; /* nobody has named it */
	}
	return try_open(at("read/later"), O_RDONLY);
}

static int reads_where_a_link_leads(void)
{
	return try_open(at("read/link"), O_RDONLY);
}

static int reads_beside(void)
{
	return try_open(at("beside/b"), O_RDONLY);
}

static int writes_what_it_reads(void)
{
	return try_open(at("read/a"), O_WRONLY);
}

static int makes_beside(void)
{
	return try_open(at("beside/new"), O_WRONLY | O_CREAT);
}

static int keeps_a_store(void)
{
	int rc = put(at("written/store"));
	rc = rc == 0 ? try_open(at("written/store"), O_RDWR) : rc;
	rc = rc == 0 && truncate(at("written/store"), 0) != 0 && errno != ENOSYS ? errno : rc; /* not on the list: nobody needs it */
	int fd = open(at("written/store"), O_RDWR | O_CLOEXEC);
	rc = rc == 0 && ftruncate(fd, 1) != 0 ? errno : rc;
	close(fd);
	rc = rc == 0 ? try_open(at("written"), O_RDONLY | O_DIRECTORY) : rc;
	rc = rc == 0 && rename(at("written/store"), at("written/before")) != 0 ? errno : rc;
	return rc == 0 && unlink(at("written/before")) != 0 ? errno : rc;
}

static int moves_out_of_the_store(void)
{
	int rc = put(at("written/moved"));
	return rc == 0 && rename(at("written/moved"), at("beside/moved")) != 0 ? errno : rc;
}

static int opens_a_door(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", at("door/socket"));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ? errno : 0;
	close(fd);
	return rc == 0 && unlink(a.sun_path) != 0 ? errno : rc;
}

static int opens_a_door_beside(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", at("read/socket"));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ? errno : 0;
	close(fd);
	return rc;
}

static int knows_a_file_of_etc(void)
{
	return try_open("/etc/passwd", O_RDONLY);
}

static int lists_etc(void)
{
	return try_open("/etc", O_RDONLY | O_DIRECTORY);
}

static int binds(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ? errno : 0;
	close(fd);
	return rc;
}

static int binds_the_port(void)
{
	return binds(named_port);
}

static int binds_any_port(void)
{
	return binds(0);
}

static int binds_another_port(void)
{
	return binds(other_port);
}

static int makes_socket(int domain, int type, int protocol)
{
	int fd = socket(domain, type, protocol);
	return fd < 0 ? errno : close(fd);
}

static int asks_for_routes(void)
{
	return makes_socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
}

static int asks_the_audit(void)
{
	return makes_socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT);
}

static int listens_to_packets(void)
{
	return makes_socket(AF_PACKET, SOCK_RAW, 0);
}

static int makes_raw_ip(void)
{
	return makes_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int maps_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

static int makes_a_folder(void)
{
	return mkdir(at("written/folder"), 0700) != 0 ? errno : 0;
}

static int becomes_another(void)
{
	return syscall(SYS_setresuid, 0, 0, 0) != 0 ? errno : 0;
}

static int runs_a_program(void)
{
	return execl("/bin/true", "true", (char *)NULL);
}

static int has_a_child(void)
{
	pid_t child = fork();
	if (child == 0) {
		_exit(0);
	}
	return child < 0 ? errno : 0;
}

static int traces(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 ? errno : 0;
}

static int mounts(void)
{
	return mount("none", at("written"), "tmpfs", 0, NULL) != 0 ? errno : 0;
}

static int leaves_its_namespace(void)
{
	return (int)syscall(SYS_unshare, CLONE_NEWUSER);
}

static int loads_a_filter(void)
{
	return (int)syscall(SYS_bpf, 0, NULL, 0);
}

#define DIES -1 /* by SIGSYS */

static const struct row {
	const char *name;
	int (*probe)(void);
	int is;	    /* 0, an errno, DIES */
	int of_old; /* the same with the rights of Debian 12's kernel */
} rows[] = {
	{ "read what is named", reads_what_is_named, 0, 0 },
	{ "read what has come since", reads_what_was_not_there, ENOENT, ENOENT },
	{ "read where a link leads that was there", reads_where_a_link_leads, 0, 0 },
	{ "read beside", reads_beside, EACCES, EACCES },
	{ "write what it reads", writes_what_it_reads, EACCES, EACCES },
	{ "make a file beside", makes_beside, EACCES, EACCES },
	{ "keep a store", keeps_a_store, 0, 0 },
	{ "move a file out of the store's folder", moves_out_of_the_store, EACCES, EACCES },
	{ "open a door", opens_a_door, 0, 0 },
	{ "open a door beside", opens_a_door_beside, EACCES, EACCES },
	{ "read a file of /etc", knows_a_file_of_etc, 0, 0 },
	{ "list /etc", lists_etc, EACCES, EACCES },
	{ "bind the port", binds_the_port, 0, 0 },
	{ "bind any port", binds_any_port, 0, 0 },
	{ "bind another port", binds_another_port, EACCES, 0 }, /* ports came with version 4 */
	{ "ask for routes", asks_for_routes, 0, 0 },
	{ "ask the audit", asks_the_audit, ENOSYS, ENOSYS },
	{ "listen to packets", listens_to_packets, ENOSYS, ENOSYS },
	{ "raw IP", makes_raw_ip, ENOSYS, ENOSYS },
	{ "map code", maps_code, ENOSYS, ENOSYS },
	{ "make a folder", makes_a_folder, ENOSYS, ENOSYS },
	{ "become another user", becomes_another, ENOSYS, ENOSYS },
	{ "run a program", runs_a_program, DIES, DIES },
	{ "have a child", has_a_child, DIES, DIES },
	{ "trace", traces, DIES, DIES },
	{ "mount", mounts, DIES, DIES },
	{ "leave its namespace", leaves_its_namespace, DIES, DIES },
	{ "load a filter", loads_a_filter, DIES, DIES },
};

/* ---- the child ---- */

#define SKIPPED	    200 /* a layer is not there */
#define NOT_ENTERED 201

static int enter(int abi)
{
	char error[256];
	rt_sandbox_name(at("read/a"), RT_SANDBOX_READ);
	rt_sandbox_name(at("read/link"), RT_SANDBOX_READ);
	rt_sandbox_name(at("swapped"), RT_SANDBOX_READ);
	rt_sandbox_name(at("written/store"), RT_SANDBOX_WRITE);
	rt_sandbox_name(at("door/socket"), RT_SANDBOX_SOCKET);
	rt_sandbox_name("/etc/resolv.conf", RT_SANDBOX_READ_KNOWN);
	rt_sandbox_name_port(named_port);
	if (rt_sandbox_enter(abi, error) != XFED_OK) {
		fprintf(stderr, "%s\n", error);
		return NOT_ENTERED;
	}
	bool is_whole = !rt_sandbox_missing(RT_SANDBOX_LANDLOCK) && !rt_sandbox_missing(RT_SANDBOX_SECCOMP);
	return is_whole ? 0 : SKIPPED;
}

struct on_worker {
	struct rt_job job;
	int (*probe)(void);
	int result;
};

static void run(void *arg)
{
	struct on_worker *w = arg;
	w->result = w->probe();
}

static void done(void *arg)
{
}

/* Of a probe, an errno. */
static int in_thread(int (*probe)(void), bool is_worker)
{
	struct on_worker w = { .probe = probe };
	struct rt_loop *loop;
	if (!is_worker) {
		return probe();
	}
	if (rt_loop_new(&loop) != XFED_OK) {
		return NOT_ENTERED;
	}
	rt_job_start(&w.job, loop, run, done, &w);
	while (rt_job_is_running(&w.job)) {
		rt_loop_turn(loop, true);
	}
	rt_loop_free(loop);
	return w.result;
}

/* The exit status of a child that enters and probes; DIES: it was ended by SIGSYS. */
static int from_inside(int abi, int (*probe)(void), bool is_worker)
{
	int status;
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		int rc = enter(abi);
		_exit(rc != 0 ? rc : in_thread(probe, is_worker));
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGSYS);
		return DIES;
	}
	if (WEXITSTATUS(status) == SKIPPED) {
		skip();
	}
	return WEXITSTATUS(status);
}

static void try_all(int abi)
{
	named_port = free_port();
	other_port = free_port();
	for (size_t i = 0; i < 2 * XFED_ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i / 2];
		bool is_worker = i % 2 == 1;
		int is = from_inside(abi, r->probe, is_worker), wanted = abi == DEBIAN_12 ? r->of_old : r->is;
		if (is != wanted) {
			fail_msg("%s, %s: %d (%s), not %d (%s)", r->name, is_worker ? "on a worker" : "in the loop", is, strerror(is), wanted,
				strerror(wanted));
		}
	}
}

static void holds_with_all_rights(void **state)
{
	(void)state;
	try_all(RT_SANDBOX_ABI_ANY);
}

static void holds_with_the_rights_of_debian_12(void **state)
{
	(void)state;
	try_all(DEBIAN_12);
}

/* ---- what a reload meets ---- */

static int file_is_replaced(void)
{
	/* By whoever is outside; here it has been done before, and what counts is that the folder was named. */
	return rt_sandbox_is_outside(at("read/a")) ? EACCES : try_open(at("read/a"), O_RDONLY);
}

static int reads(const char *path)
{
	struct xfed_buf b;
	char error[256];
	int rc = rt_file_read(path, 4096, &b, error);
	bool is_outside = rt_sandbox_is_outside(path), says_so = rc != XFED_OK && strstr(error, "restart needed");
	bool has_reason = rt_file_reason(path, XFED_REASON_NONE) == XFED_REASON_CONFIG_RESTART_NEEDED;
	if (rc == XFED_OK) {
		xfed_buf_deinit(&b);
		return is_outside || has_reason ? EINVAL : 0;
	}
	return is_outside && says_so && has_reason ? EACCES : EINVAL;
}

static int reads_beside_in_words(void)
{
	return reads(at("beside/b"));
}

static int reads_inside(void)
{
	return reads(at("read/a"));
}

/* The pipe by which a probe waits for what its parent does outside. */
static int go[2], ready[2];

static void wait_for_parent(void)
{
	char c = 0;
	(void)!write(ready[1], "r", 1);
	(void)!read(go[0], &c, 1);
}

static int reads_replaced(void)
{
	wait_for_parent();
	return reads(at("read/a"));
}

static int reads_a_new_link(void)
{
	wait_for_parent();
	return reads(at("read/out"));
}

static int reads_in_a_new_folder(void)
{
	wait_for_parent();
	return reads(at("swapped/d"));
}

static int reads_in_a_new_folder_inside(void)
{
	wait_for_parent();
	return reads(at("read/new/e"));
}

static void replace_file(void)
{
	assert_int_equal(put(at("read/a.new")), 0);
	assert_int_equal(rename(at("read/a.new"), at("read/a")), 0);
}

static void make_link_out(void)
{
	assert_int_equal(symlink(at("beside/b"), at("read/out")), 0);
}

static void swap_folder(void)
{
	assert_int_equal(rename(at("swapped"), at("swapped.old")), 0);
	assert_int_equal(mkdir(at("swapped"), 0700), 0);
	assert_int_equal(put(at("swapped/d")), 0);
}

static void make_folder_inside(void)
{
	assert_int_equal(mkdir(at("read/new"), 0700), 0);
	assert_int_equal(put(at("read/new/e")), 0);
}

static int after(void (*change)(void), int (*probe)(void))
{
	int status;
	char c;
	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(ready), 0);
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		close(ready[0]);
		close(go[1]);
		int rc = enter(RT_SANDBOX_ABI_ANY);
		_exit(rc != 0 ? rc : probe());
	}
	close(ready[1]);
	close(go[0]);
	bool has_entered = read(ready[0], &c, 1) == 1;
	if (has_entered) {
		change();
		assert_int_equal(write(go[1], "g", 1), 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	close(ready[0]);
	close(go[1]);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIPPED) {
		skip();
	}
	assert_true(has_entered);
	return WEXITSTATUS(status);
}

static void a_reload_reads_inside_alone(void **state)
{
	(void)state;
	assert_int_equal(from_inside(RT_SANDBOX_ABI_ANY, reads_inside, false), 0);
	assert_int_equal(from_inside(RT_SANDBOX_ABI_ANY, reads_beside_in_words, true), EACCES);
	assert_int_equal(from_inside(RT_SANDBOX_ABI_ANY, file_is_replaced, false), 0);
}

static void a_file_that_is_replaced_is_read(void **state)
{
	(void)state;
	assert_int_equal(after(replace_file, reads_replaced), 0);
}

static void a_link_that_leads_out_needs_a_restart(void **state)
{
	(void)state;
	assert_int_equal(after(make_link_out, reads_a_new_link), EACCES);
}

static void a_folder_that_is_replaced_needs_a_restart(void **state)
{
	(void)state;
	assert_int_equal(after(swap_folder, reads_in_a_new_folder), EACCES);
}

static void a_folder_in_one_that_is_named_is_read(void **state)
{
	(void)state;
	assert_int_equal(after(make_folder_inside, reads_in_a_new_folder_inside), 0);
}

/* ---- what is denied is counted; what is missing is said ---- */

static int counts_what_is_denied(void)
{
	const char *call = "";
	unsigned count = 0;
	if (rt_sandbox_denied(&call, &count)) {
		return EEXIST;
	}
	(void)makes_a_folder();
	(void)makes_a_folder();
	bool is_counted = rt_sandbox_denied(&call, &count) && count == 2 && strncmp(call, "mkdir", 5) == 0;
	return is_counted && !rt_sandbox_denied(&call, &count) ? 0 : EINVAL;
}

static void what_is_denied_is_counted(void **state)
{
	(void)state;
	assert_int_equal(from_inside(RT_SANDBOX_ABI_ANY, counts_what_is_denied, false), 0);
	assert_int_equal(from_inside(RT_SANDBOX_ABI_ANY, counts_what_is_denied, true), 0);
}

static void without_it_nothing_is_outside(void **state)
{
	(void)state;
	assert_non_null(rt_sandbox_missing(RT_SANDBOX_LANDLOCK));
	assert_non_null(rt_sandbox_missing(RT_SANDBOX_SECCOMP));
	assert_false(rt_sandbox_is_outside(at("beside/b")));
	assert_int_equal(rt_file_reason(at("beside/b"), XFED_REASON_CONFIG_SYNTAX), XFED_REASON_CONFIG_SYNTAX);
	assert_int_equal(rt_file_reason(NULL, XFED_REASON_CONFIG_SYNTAX), XFED_REASON_CONFIG_SYNTAX);
}

/* A thread that was there before would stay outside. */
static void refuse_a_second_thread(bool has_proc)
{
	int status;
	if (rt_sandbox_is_left_out() || (!has_proc && geteuid() != 0)) {
		skip();
	}
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		char error[256] = "";
		if (!has_proc && (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
					 mount("none", "/proc", "tmpfs", 0, NULL) != 0)) {
			_exit(3);
		}
		struct on_worker w = { .probe = reads_what_is_named };
		struct rt_loop *loop;
		if (rt_loop_new(&loop) != XFED_OK) {
			_exit(1);
		}
		rt_job_start(&w.job, loop, run, done, &w);
		_exit(rt_sandbox_enter(RT_SANDBOX_ABI_ANY, error) == XFED_ERR_LIBRARY && strstr(error, "a thread runs already") ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_second_thread_is_refused(void **state)
{
	refuse_a_second_thread(true);
}

static void a_second_thread_is_refused_without_proc(void **state)
{
	refuse_a_second_thread(false);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(without_it_nothing_is_outside),
		T(holds_with_all_rights),
		T(holds_with_the_rights_of_debian_12),
		T(a_reload_reads_inside_alone),
		T(a_file_that_is_replaced_is_read),
		T(a_link_that_leads_out_needs_a_restart),
		T(a_folder_that_is_replaced_needs_a_restart),
		T(a_folder_in_one_that_is_named_is_read),
		T(what_is_denied_is_counted),
		T(a_second_thread_is_refused),
		T(a_second_thread_is_refused_without_proc),
	};
	return cmocka_run_group_tests_name("rt/sandbox", tests, NULL, NULL);
}
