# Owns connecting for its own sake, without a pause: connect, be welcomed, reset, again and again. hasty.ts runs it: in Node a
# client takes longer than the server it measures, and its collections of garbage would stand in the figures.
#   hasty.pl flood PORT SOURCES IN_FLIGHT SECONDS    as fast as it goes, so many at a time
#   hasty.pl pace PORT SOURCES CONNECTS_PER_SEC WARM_UP_SECONDS SECONDS    on a schedule, timed from the intended moment
# The upgrade comes on stdin. Prints a line `name value` for each figure. Invariant: every connect is counted, as welcomed or as a fault.
use strict;
use warnings;
use Socket qw(:DEFAULT IPPROTO_TCP TCP_NODELAY SOCK_NONBLOCK);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my $LEAD_SEC       = 0.02;
my $STRAGGLERS_SEC = 5;

my ($mode, $port, $sources, @order) = @ARGV;
my $upgrade = do { local $/; <STDIN> };
my $to      = pack_sockaddr_in($port, inet_aton('127.0.0.1'));
my @from    = map { pack_sockaddr_in(0, inet_aton("127.0.0.$_")) } 1 .. $sources;
# Closed with a reset, which leaves no port behind that waits.
my $RESET = pack('ii', 1, 0);

my $reading = '';
my (@sockets, @intended, @read);
my ($opened, $under) = (0, 0);
my (@took, @late, %faults);

sub now { return clock_gettime(CLOCK_MONOTONIC) }

sub cpu { my ($user, $system) = times; return $user + $system }

sub visit {
    my ($at) = @_;
    socket(my $socket, PF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0) or die "socket: $!\n";
    setsockopt($socket, SOL_SOCKET,  SO_LINGER,   $RESET);
    setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1);
    bind($socket, $from[$opened++ % @from]) or die "bind: $!\n";
    my $connected = connect($socket, $to) || $!{EINPROGRESS};
    my $fd        = fileno $socket;
    ($sockets[$fd], $intended[$fd], $read[$fd]) = ($socket, $at, '');
    vec($reading, $fd, 1) = 1;
    $under++;
    # On loopback the connection stands when connect returns, unless the server has let too many wait.
    my $written = $connected ? syswrite($socket, $upgrade) : undef;
    leave($fd, "it could not connect: $!") if !defined $written;
}

sub leave {
    my ($fd, $fault) = @_;
    $faults{$fault}++ if defined $fault;
    vec($reading, $fd, 1) = 0;
    close $sockets[$fd];
    $sockets[$fd] = undef;
    $under--;
}

sub listen_for {
    my ($seconds) = @_;
    my $ready = $reading;
    return if select($ready, undef, undef, $seconds < 0 ? 0 : $seconds) <= 0;
    my $bits = unpack('b*', $ready);
    for (my $fd = index($bits, '1'); $fd >= 0; $fd = index($bits, '1', $fd + 1)) { hear($fd) }
}

sub hear {
    my ($fd) = @_;
    my $bytes = sysread($sockets[$fd], $read[$fd], 65_536, length $read[$fd]);
    return leave($fd, 'the connection ended') if !$bytes;
    my $head = index($read[$fd], "\r\n\r\n");
    return if $head < 0;
    return leave($fd, 'it was not upgraded') if substr($read[$fd], 0, 12) ne 'HTTP/1.1 101';
    my $frame = substr($read[$fd], $head + 4);
    return if length $frame < 2;
    my $long = ord(substr($frame, 1, 1)) == 126;
    my $from = $long ? 4 : 2;
    return if length $frame < $from;
    my $length = $long ? unpack('n', substr($frame, 2, 2)) : ord(substr($frame, 1, 1));
    return if length $frame < $from + $length;
    # A short MessagePack array whose first item is the number of the frame `welcome`.
    my $welcome = $length > 2 && ord(substr($frame, $from, 1)) >> 4 == 9 && ord(substr($frame, $from + 1, 1)) == 0;
    push @took, now() - $intended[$fd];
    return leave($fd, $welcome ? undef : 'the first message was not a welcome');
}

sub percentile_us {
    my ($share, @values) = @_;
    return 0 if !@values;
    my @ordered = sort { $a <=> $b } @values;
    my $at      = int(@ordered * $share);
    return int(1_000_000 * $ordered[$at > $#ordered ? $#ordered : $at]);
}

sub report {
    my (%figures) = @_;
    print "$_ $figures{$_}\n" for sort keys %figures;
    print "fault $faults{$_} $_\n" for sort keys %faults;
}

my $begun = now();
if ($mode eq 'flood') {
    my ($in_flight, $seconds) = @order;
    my $cpu = cpu();
    my $now;
    while (($now = now()) < $begun + $seconds) {
        visit($now) while $under < $in_flight;
        listen_for(1);
    }
    my $welcomed = @took;
    report(connects => $welcomed, seconds => $now - $begun, cpuShare => (cpu() - $cpu) / ($now - $begun));
} else {
    my ($rate, $warm_up, $seconds) = @order;
    my $start = $begun + $LEAD_SEC;
    my $all   = ($warm_up + $seconds) * $rate;
    my ($i, $cpu) = (0, cpu());
    while ($i < $all || $under > 0) {
        my $now = now();
        last if $now > $start + $all / $rate + $STRAGGLERS_SEC;
        while ($i < $all && $start + $i / $rate <= $now) {
            if ($i == $warm_up * $rate) { @took = @late = (); $cpu = cpu() }
            push @late, $now - $start - $i / $rate;
            visit($start + $i / $rate);
            $i++;
            $now = now();
        }
        listen_for($i < $all ? $start + $i / $rate - $now : 0.1);
    }
    $faults{'it was not welcomed in time'} = $under if $under > 0;
    report(
        count         => scalar @took,
        p50Us         => percentile_us(0.5,  @took),
        p99Us         => percentile_us(0.99, @took),
        maxUs         => percentile_us(1,    @took),
        latenessP99Us => percentile_us(0.99, @late),
        cpuShare      => (cpu() - $cpu) / $seconds,
    );
}
