export default function Home() {
  return <h1 style={{ fontSize: 60 }}>The shop, in large letters</h1>;
}
