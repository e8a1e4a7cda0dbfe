// A guest in JavaScript: each path is one way to behave or to misbehave.

let requests = 0;

addEventListener('fetch', (event) => event.respondWith(handle(event.request)));

async function handle(request) {
  requests += 1;
  const url = new URL(request.url);
  switch (url.pathname) {
    case '/':
      return new Response('hello from JavaScript');
    case '/requests':
      // Each request has an instance of its own.
      return new Response(String(requests));
    case '/echo':
      return new Response(request.body);
    case '/json': {
      const { name, numbers } = await request.json();
      return Response.json({ name, sum: numbers.reduce((sum, number) => sum + number, 0) });
    }
    case '/stream':
      return new Response(chunks());
    case '/fetch':
      return fetch(request.headers.get('x-target'));
    case '/sleep':
      await new Promise((resolve) => setTimeout(resolve, 50));
      return new Response('slept');
    case '/throw':
      throw new Error('told to');
    case '/spin':
      for (;;);
    case '/allocate': {
      const held = [];
      for (;;) held.push(new Uint8Array(1 << 20).fill(1));
    }
    case '/recurse':
      return new Response(String(recurse(1)));
    default:
      return new Response('not found', { status: 404 });
  }
}

function chunks() {
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      if (sent === 100) return controller.close();
      controller.enqueue(new TextEncoder().encode(`chunk ${sent++}\n`));
    },
  });
}

function recurse(depth) {
  return 1 + recurse(depth + 1);
}
