/* System calls: a list, enforced by seccomp. */
#include "rt/sandbox_internal.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <linux/netlink.h>
#include <ucontext.h>
#include <unistd.h>

#define CALL(name) SCMP_SYS(name)

/* clang-format off */
static const int allowed[] = {
	/* the loop, time, threads */
	CALL(epoll_create1), CALL(epoll_ctl), CALL(epoll_wait), CALL(epoll_pwait), CALL(eventfd2), CALL(pipe2), CALL(poll), CALL(ppoll),
	CALL(clock_gettime), CALL(clock_getres), CALL(clock_nanosleep), CALL(nanosleep), CALL(gettimeofday), CALL(time),
	CALL(futex), CALL(set_robust_list), CALL(rseq), CALL(sched_yield), CALL(sched_getaffinity), CALL(exit), CALL(exit_group),
	CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(sigaltstack), CALL(restart_syscall),
	/* memory, facts about ourselves, random bytes */
	CALL(brk), CALL(munmap), CALL(mremap), CALL(madvise), CALL(getrandom), CALL(getpid), CALL(gettid), CALL(getuid), CALL(geteuid),
	CALL(getgid), CALL(getegid), CALL(getrusage), CALL(getcpu), CALL(times), CALL(sysinfo), CALL(uname), CALL(membarrier),
	/* sockets */
	CALL(bind), CALL(listen), CALL(accept), CALL(accept4), CALL(connect), CALL(getsockname), CALL(getpeername), CALL(getsockopt),
	CALL(setsockopt), CALL(shutdown), CALL(sendto), CALL(sendmsg), CALL(sendmmsg), CALL(recvfrom), CALL(recvmsg), CALL(recvmmsg),
	/* files; which ones Landlock says */
	CALL(open), CALL(openat), CALL(close), CALL(read), CALL(readv), CALL(pread64), CALL(preadv), CALL(write), CALL(writev), CALL(pwrite64),
	CALL(pwritev), CALL(lseek), CALL(fstat), CALL(stat), CALL(lstat), CALL(newfstatat), CALL(statx), CALL(statfs), CALL(fstatfs), CALL(access),
	CALL(faccessat), CALL(faccessat2), CALL(readlink), CALL(readlinkat), CALL(getdents64), CALL(getcwd), CALL(unlink), CALL(unlinkat),
	CALL(rename), CALL(renameat), CALL(renameat2),
	CALL(ftruncate), CALL(fallocate), CALL(fsync), CALL(fdatasync), CALL(fadvise64), CALL(flock), CALL(fcntl), CALL(dup), CALL(dup2),
	CALL(dup3), CALL(umask), CALL(chmod), CALL(fchmod), CALL(fchmodat), CALL(fchown), CALL(memfd_create), /* of a long line to the journal */
};

/* Nobody but an intruder tries these. */
static const int deadly[] = {
	CALL(execve), CALL(execveat), CALL(fork), CALL(vfork), CALL(ptrace), CALL(process_vm_readv), CALL(process_vm_writev), CALL(pidfd_getfd),
	CALL(kcmp), CALL(mount), CALL(umount2), CALL(pivot_root), CALL(chroot), CALL(open_tree), CALL(move_mount), CALL(fsopen), CALL(fsmount),
	CALL(fsconfig), CALL(fspick), CALL(mount_setattr), CALL(unshare), CALL(setns), CALL(kexec_load), CALL(kexec_file_load), CALL(init_module),
	CALL(finit_module), CALL(delete_module), CALL(bpf), CALL(perf_event_open), CALL(userfaultfd), CALL(keyctl), CALL(add_key),
	CALL(request_key), CALL(open_by_handle_at), CALL(reboot), CALL(swapon), CALL(swapoff), CALL(iopl), CALL(ioperm), CALL(acct),
	CALL(quotactl), CALL(settimeofday), CALL(clock_settime), CALL(sethostname), CALL(personality),
};

/* clang-format on */

/* ---- what was denied ---- */

#define NUMBERS 1024 /* above those of any architecture; what is higher counts as the last */
static atomic_uint counts[NUMBERS];
static atomic_bool is_new;

#if defined(__x86_64__)
#define RESULT(uc) (uc)->uc_mcontext.gregs[REG_RAX]
#elif defined(__aarch64__)
#define RESULT(uc) (uc)->uc_mcontext.regs[0]
#else
#error "Say where this architecture has the result of a system call in a signal's context."
#endif

static void on_denied(int signum, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	unsigned number = (unsigned)info->si_syscall;
	(void)signum;
	atomic_fetch_add(&counts[number < NUMBERS ? number : NUMBERS - 1], 1);
	atomic_store(&is_new, true);
	RESULT(uc) = -ENOSYS;
}

bool rt_sandbox_denied(const char **call, unsigned *count)
{
	static unsigned at;
	static char name[64];
	if (at == 0 && !atomic_exchange(&is_new, false)) {
		return false;
	}
	for (; at < NUMBERS; at++) {
		*count = atomic_exchange(&counts[at], 0);
		if (*count > 0) {
			char *known = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)at);
			snprintf(name, sizeof(name), "%s", known ? known : "unknown");
			free(known); /* the library's own */
			*call = name;
			at++;
			return true;
		}
	}
	at = 0;
	return false;
}

/* ---- the list ---- */

static int allow(scmp_filter_ctx f, int call, unsigned count, const struct scmp_arg_cmp *args)
{
	return seccomp_rule_add_array(f, SCMP_ACT_ALLOW, call, count, args);
}

static int add_sockets(scmp_filter_ctx f)
{
	int rc = allow(f, CALL(socket), 1, &SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
	const struct scmp_arg_cmp routes[] = { SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE) };
	rc = rc == 0 ? allow(f, CALL(socket), 2, routes) : rc;
	for (int i = 0; i < 4 && rc == 0; i++) {
		const struct scmp_arg_cmp internet[] = { SCMP_A0(SCMP_CMP_EQ, i % 2 ? AF_INET6 : AF_INET),
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, i / 2 ? SOCK_DGRAM : SOCK_STREAM) };
		rc = allow(f, CALL(socket), 2, internet);
	}
	return rc;
}

/* A new thread, never a new process; clone3 keeps its flags where no filter can see them, and glibc can do without it. */
static int add_threads(scmp_filter_ctx f)
{
	int rc = allow(f, CALL(clone), 1, &SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	rc = rc == 0 ? seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, CALL(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)) : rc;
	rc = rc == 0 ? seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0) : rc;
	/* abort() */
	return rc == 0 ? allow(f, CALL(tgkill), 1, &SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid())) : rc;
}

static int add_memory(scmp_filter_ctx f)
{
	int rc = allow(f, CALL(mmap), 1, &SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return rc == 0 ? allow(f, CALL(mprotect), 1, &SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) : rc;
}

static int add_by_argument(scmp_filter_ctx f)
{
	static const unsigned long ioctls[] = { FIONBIO, FIOCLEX, FIONREAD, TIOCOUTQ, TCGETS };
	const struct scmp_arg_cmp own_limits[] = { SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0) };
	int rc = allow(f, CALL(prlimit64), 2, own_limits);
	rc = rc == 0 ? allow(f, CALL(prctl), 1, &SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME)) : rc;
	/* A thread may make itself less important, nobody else. */
	const struct scmp_arg_cmp own_priority[] = { SCMP_A0(SCMP_CMP_EQ, PRIO_PROCESS), SCMP_A1(SCMP_CMP_EQ, 0) };
	rc = rc == 0 ? allow(f, CALL(setpriority), 2, own_priority) : rc;
	for (size_t i = 0; i < XFED_ARRAY_LEN(ioctls) && rc == 0; i++) {
		rc = allow(f, CALL(ioctl), 1, &SCMP_A1(SCMP_CMP_EQ, ioctls[i]));
	}
	return rc;
}

static int fill(scmp_filter_ctx f)
{
	int rc = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	rc = rc == 0 ? seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2) : rc; /* a tree instead of a list */
	for (size_t i = 0; i < XFED_ARRAY_LEN(allowed) && rc == 0; i++) {
		rc = allow(f, allowed[i], 0, NULL);
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(deadly) && rc == 0; i++) {
		rc = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	}
	rc = rc == 0 ? add_sockets(f) : rc;
	rc = rc == 0 ? add_threads(f) : rc;
	rc = rc == 0 ? add_memory(f) : rc;
	return rc == 0 ? add_by_argument(f) : rc;
}

int sandbox_calls_enter(char text[128])
{
	const struct sigaction sa = { .sa_sigaction = on_denied, .sa_flags = SA_SIGINFO | SA_RESTART };
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_TRAP);
	if (!f) {
		snprintf(text, 128, "out of memory");
		return XFED_ERR_LIBRARY;
	}
	/* Can be set only where seccomp(2) may be called. */
	if (seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1) != 0) {
		seccomp_release(f);
		snprintf(text, 128, "seccomp(2) is forbidden to this process (SystemCallFilter= of the unit), or the kernel does not have it");
		return XFED_ERR_NOT_FOUND;
	}
	int rc = fill(f);
	rc = rc == 0 && sigaction(SIGSYS, &sa, NULL) != 0 ? -errno : rc;
	rc = rc == 0 ? seccomp_load(f) : rc;
	seccomp_release(f);
	if (rc != 0) {
		snprintf(text, 128, "%s", strerror(-rc));
	}
	return rc == 0 ? XFED_OK : XFED_ERR_LIBRARY;
}
